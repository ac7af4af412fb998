/**
 * Asks a language model and lets its answer grow in the channel: `/assistant ask Why is the sky blue?`. The model is any
 * service with the usual `POST /v1/chat/completions`. In the configuration:
 *
 * ```jsonc
 * "functions": {
 *   "directory": "functions",
 *   "secrets": { "MODEL_URL": "https://api.example.org", "MODEL_KEY": { "file": "/run/secrets/model" } },
 *   "grants": { "assistant": { "hosts": ["api.example.org"], "secrets": ["MODEL_URL", "MODEL_KEY"] } }
 * }
 * ```
 *
 * @module
 */

import { type Context, defineFunction, type HistoryMessage } from "./skein.ts";

/** Messages of the channel that the model is told of. */
const BEFORE = 20;

export default defineFunction({
  commands: {
    ask: {
      description: "Asks the assistant; everybody sees its answer",
      args: { question: { rest: true } },
    },
  },
  timeout: "2m",

  async handler(event, context) {
    if (event.kind !== "command") return undefined;
    const { question } = event.args as { question: string };
    const answer = await ask(event.channel, `${event.from}: ${question}`, context);
    if (!answer.ok) return `The model does not answer (${answer.status}).`;
    // Everybody on the channel sees it grow.
    const stream = await context.stream({ public: event.channel !== undefined });
    try {
      for await (const piece of piecesOf(answer)) await stream.append(piece);
      await stream.end();
    } catch (error) {
      await stream.fail();
      throw error;
    }
    return undefined;
  },
});

async function ask(channel: string | undefined, question: string, context: Context): Promise<Response> {
  const before = channel === undefined ? [] : await context.history(channel, { limit: BEFORE });
  const messages = [
    { role: "system", content: "You are a helpful member of a conversation. Answer briefly." },
    ...before.flatMap((message) => said(message, context.name)),
    { role: "user", content: question },
  ];
  return await context.fetch(`${context.secret("MODEL_URL")}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${context.secret("MODEL_KEY")}` },
    body: JSON.stringify({ model: "default", stream: true, messages }),
  });
}

function said({ from, payload: { text } }: HistoryMessage, name: string) {
  if (typeof text !== "string" || text === "") return [];
  return from === name
    ? [{ role: "assistant", content: text }]
    : [{ role: "user", content: `${from}: ${text}` }];
}

/** The text of an answer that comes as server-sent events. */
async function* piecesOf(answer: Response): AsyncGenerator<string> {
  let rest = "";
  for await (const text of answer.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      const piece = JSON.parse(line.slice(6)).choices?.[0]?.delta?.content;
      if (typeof piece === "string" && piece !== "") yield piece;
    }
  }
}

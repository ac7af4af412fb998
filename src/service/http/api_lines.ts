/**
 * Publishing in bulk: a line of JSON for each message comes in, a line for each answer goes out, in the same order. What
 * is in memory is bounded, and who does not read the answers is not read from.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import { failureOf, ProtocolError } from "../../protocol/mod.ts";
import { type ApiRunner, type Caller, callerOf } from "./api.ts";
import { LINES_TYPE } from "./api_openapi.ts";

/** Bytes of a line. */
const MAX_LINE = 1024 * 1024;
/** Lines that are under way at once. */
const WINDOW = 512;
/** Milliseconds a client has to send the next bytes. */
const PATIENCE = 30_000;

const LINE_FEED = 0x0a;
/** What ends the last line of a body. */
const END = Uint8Array.of(LINE_FEED);

/** Whether a request brings lines. */
export function bringsLines(headers: Headers): boolean {
  return headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() === LINES_TYPE;
}

/** A line, or why it is none. */
type Line = string | ProtocolError;

/** Publishes the lines of a body and answers each. */
export function publishLines(
  body: ReadableStream<Uint8Array> | null,
  runner: ApiRunner,
  caller: Caller,
): Response {
  const lines = body === null ? none() : groupsOf(body);
  const encoder = new TextEncoder();
  let count = 0;
  const answers = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await lines.next();
      if (done) return controller.close();
      const replies = await Promise.all(value.map((line) => answer(line, runner, callerOf(caller, count++))));
      controller.enqueue(encoder.encode(replies.join("")));
    },
    async cancel() {
      await lines.return(undefined);
    },
  });
  // Proxies must not collect the answers: the client may wait for them before it goes on.
  const headers = { "content-type": LINES_TYPE, "cache-control": "no-store", "x-accel-buffering": "no" };
  return new Response(answers, { headers });
}

async function answer(line: Line, runner: ApiRunner, caller: Caller): Promise<string> {
  if (typeof line !== "string") return `${JSON.stringify({ error: failureOf(line) })}\n`;
  let params: unknown;
  try {
    params = JSON.parse(line);
  } catch {
    return `${
      JSON.stringify({ error: failureOf(new ProtocolError("bad_request", "the line is not JSON")) })
    }\n`;
  }
  return `${JSON.stringify(await runner.reply("publish", params, caller))}\n`;
}

async function* none(): AsyncGenerator<Line[], void> {}

/** The lines that are there, some at a time. Lines of white space are left out. Ends after a body that fails. */
async function* groupsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Line[], void> {
  const reader = body.getReader();
  const line = new LineReader();
  const late = () => new ProtocolError("bad_request", "the body did not come in time");
  try {
    for (;;) {
      const { done, value } = await deadline(reader.read(), PATIENCE, late);
      const bytes = done ? END : value;
      const lines: Line[] = [];
      let from = 0;
      for (let to; (to = bytes.indexOf(LINE_FEED, from)) !== -1; from = to + 1) {
        const ended = line.end(bytes.subarray(from, to));
        if (typeof ended !== "string" || ended.trim() !== "") lines.push(ended);
      }
      line.add(bytes.subarray(from));
      for (let at = 0; at < lines.length; at += WINDOW) yield lines.slice(at, at + WINDOW);
      if (done) return;
    }
  } catch (error) {
    yield [error instanceof ProtocolError ? error : new ProtocolError("bad_request", "the body ended early")];
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Reads a line after the other from their bytes. */
class LineReader {
  #decoder = newDecoder();
  #text = "";
  #length = 0;
  #wrong: ProtocolError | undefined;

  /** More of the line. */
  add(bytes: Uint8Array, stream = true): void {
    if (this.#wrong !== undefined) return;
    this.#length += bytes.length;
    if (this.#length > MAX_LINE) {
      return this.#fail(new ProtocolError("message_too_large", `a line has at most ${MAX_LINE} bytes`));
    }
    try {
      this.#text += this.#decoder.decode(bytes, { stream });
    } catch {
      this.#fail(new ProtocolError("bad_request", "the line is not UTF-8"));
    }
  }

  /** The rest of the line; the next one begins. */
  end(bytes: Uint8Array): Line {
    this.add(bytes, false);
    const line = this.#wrong ?? this.#text;
    this.#text = "";
    this.#length = 0;
    this.#wrong = undefined;
    return line;
  }

  #fail(error: ProtocolError): void {
    this.#wrong = error;
    this.#text = "";
    // What it has of a character is none of the next line's.
    this.#decoder = newDecoder();
  }
}

function newDecoder(): TextDecoder {
  return new TextDecoder("utf-8", { fatal: true });
}

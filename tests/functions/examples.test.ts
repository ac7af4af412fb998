/** The examples, in real isolates of a running service. */

import assert from "node:assert/strict";
import type { TestClient } from "../support/client.ts";
import type { ConfigInput } from "../support/config.ts";
import { until } from "../nodes/support.ts";
import { startTestService, type TestService } from "../support/service.ts";

const EXAMPLES = new URL("../../src/functions/examples/", import.meta.url);
const room = "chat:room";

/** A service with some of the examples in its folder, and users on `chat:room`. */
class Examples implements AsyncDisposable {
  readonly service: TestService;
  readonly #folder: string;
  readonly #clients: TestClient[] = [];

  private constructor(service: TestService, folder: string) {
    this.service = service;
    this.#folder = folder;
  }

  static async start(names: readonly string[], input: ConfigInput = {}): Promise<Examples> {
    const folder = await Deno.makeTempDir({ prefix: "skein-examples-" });
    for (const name of names) await Deno.copyFile(new URL(`${name}.ts`, EXAMPLES), `${folder}/${name}.ts`);
    const service = await startTestService({
      ...input,
      functions: { ...input.functions, directory: folder },
    });
    return new Examples(service, folder);
  }

  async join(user: string, claims: Record<string, unknown> = {}): Promise<TestClient> {
    const client = await this.service.dial("websocket");
    this.#clients.push(client);
    await client.authenticate(await this.service.token(user, claims));
    await client.ask("subscribe", { channel: room });
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.service.stop();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Types a command; what its bot says to the asker in the end. */
async function type(client: TestClient, text: string): Promise<Record<string, unknown>> {
  const ack = await client.request("chat_message", { channel: room, text });
  assert.equal(ack.type, "message_ack", JSON.stringify(ack.payload));
  let said = "";
  while (true) {
    const { payload } = await client.next((message) =>
      message.type === "bot_response" && message.re === ack.re
    );
    if (payload.kind === "progress") continue;
    if (payload.kind !== "piece") return payload;
    said += payload.text;
    if (payload.final !== undefined) return { ...payload, text: said };
  }
}

const textOf = async (client: TestClient, from: string): Promise<string> =>
  (await client.next((message) => message.type === "chat_message" && message.payload.from === from)).payload
    .text as string;

Deno.test("function examples: a poll is asked, voted on by several at once, and closed by who began it", async () => {
  await using examples = await Examples.start(["poll"]);
  const [ann, bob] = [await examples.join("ann"), await examples.join("bob")];
  const none = "There is no poll here. Begin one: /poll start QUESTION OPTION OPTION";
  assert.equal((await type(ann, "/poll show")).text, none);
  assert.equal((await type(ann, "/poll start Lunch? tea")).text, "A poll needs two options or more.");
  const begun = await type(ann, '/poll start "Lunch at noon?" tea "black coffee"');
  assert.equal(begun.kind, "channel");
  const asked = "ann asks: Lunch at noon?\n1. tea\n2. black coffee\nVote with /poll vote NUMBER";
  for (const client of [ann, bob]) assert.equal(await textOf(client, "poll"), asked);
  assert.equal(
    (await type(bob, "/poll start Again? a b")).text,
    "There is a poll here already: /poll show, /poll close",
  );
  // Every vote counts once, however many come together.
  const voters = await Promise.all(Array.from({ length: 6 }, (_, i) => examples.join(`voter${i}`)));
  const votes = await Promise.all(voters.map((voter, i) => type(voter, `/poll vote ${1 + i % 2}`)));
  assert.deepEqual(
    votes.map(({ text }) => text),
    Array(3).fill(["tea", "black coffee"]).flat().map((option) => `You voted for ${option}.`),
  );
  assert.equal((await type(bob, "/vote option=2")).text, "You voted for black coffee.");
  assert.equal((await type(bob, "/poll vote 1")).text, "You voted for tea.");
  assert.equal((await type(bob, "/poll vote 3")).text, "There are 2 options.");
  const standing = "Lunch at noon?\n1. tea: 4\n2. black coffee: 3";
  assert.equal((await type(ann, "/poll show")).text, standing);
  assert.equal((await type(bob, "/poll close")).text, "Only ann can close this poll.");
  await type(ann, "/poll close");
  assert.equal(await textOf(bob, "poll"), `The poll is closed. ${standing}`);
  assert.equal((await type(bob, "/poll vote 1")).text, none);
});

Deno.test("function examples: a reminder is said once, when it is due, and others wait", async () => {
  await using examples = await Examples.start(["remind"]);
  const ann = await examples.join("ann");
  assert.equal((await type(ann, "/remind in soon Tea")).text, "When? 30s, 10m, 2h or 1d.");
  assert.equal((await type(ann, '/remind in 2s Tea, it\'s "ready"')).text, "I will remind you in 2s.");
  assert.equal((await type(ann, "/remind in 1h Supper")).text, "I will remind you in 1h.");
  assert.match(
    (await type(ann, "/remind list")).text as string,
    /^in [0-2] s: Tea, it's "ready"\nin 3\d{3} s: Supper$/,
  );
  const reminded = await ann.next(
    ({ type, payload }) => type === "chat_message" && payload.from === "remind",
    20_000,
  );
  assert.equal(reminded.payload.text, '@ann Tea, it\'s "ready"');
  // It is said, and then taken away.
  await until(
    "it no longer waits",
    async () => /^in 3\d{3} s: Supper$/.test((await type(ann, "/remind list")).text as string),
  );
  const said = ann.messages.filter(({ type }) => type === "chat_message");
  assert.equal(said.length, 1);
});

Deno.test("function examples: a reminder that is refused holds up no other, and is dropped", async () => {
  await using examples = await Examples.start(["remind", "moderation"]);
  const ann = await examples.join("ann");
  for (const text of ["The best casino", "Tea"]) await type(ann, `/remind in 1s ${text}`);
  assert.equal(await textOf(ann, "remind"), "@ann Tea");
  await until(
    "none waits",
    async () => (await type(ann, "/remind list")).text === "No reminders wait.",
  );
});

Deno.test("function examples: reminders are for those who may publish, and a few for each", async () => {
  await using examples = await Examples.start(["remind"]);
  const ask = async (client: TestClient, text: string) => {
    const command = { bot: "remind", command: "in", args: { time: "1h", text }, channel: room };
    const id = await client.send("bot_command", command);
    return (await client.next(({ type, re }) => type === "bot_response" && re === id)).payload.text;
  };
  const reader = await examples.join("reader", { subscribe: [room] });
  assert.equal(await ask(reader, "me"), "You may not write in this channel.");
  const [ann, bob] = [await examples.join("ann"), await examples.join("bob")];
  for (let i = 0; i < 20; i++) assert.equal(await ask(ann, `${i}`), "I will remind you in 1h.");
  assert.equal(await ask(ann, "once more"), "Too many reminders wait.");
  assert.equal(await ask(bob, "one"), "I will remind you in 1h.");
});

Deno.test("function examples: moderation refuses and changes messages before anybody sees them", async () => {
  await using examples = await Examples.start(["moderation"]);
  const [ann, bob] = [await examples.join("ann"), await examples.join("bob")];
  const refused = await ann.request("chat_message", { channel: room, text: "the best CASINO in town" });
  assert.deepEqual([refused.type, refused.payload.name], ["error", "permission_denied"]);
  assert.match(refused.payload.message, /advertising is not wanted here/);
  await ann.ask("chat_message", {
    channel: room,
    text: "pay with 4111 1111-1111 1111, call 020 7946 0958 11",
  });
  await ann.ask("chat_message", { channel: room, text: "hello" });
  assert.equal(await textOf(bob, "ann"), "pay with [card number], call 020 7946 0958 11");
  assert.equal(await textOf(bob, "ann"), "hello");
  const { messages } = (await bob.ask("history", { channel: room })).payload;
  assert.equal(messages.length, 2);
});

/** A model server that says `pieces`, and writes down what it was asked. */
function fakeModel(pieces: readonly string[]) {
  // deno-lint-ignore no-explicit-any
  const asked: { authorization: string | null; body: any }[] = [];
  let go = () => {};
  const gate = new Promise<void>((resolve) => go = resolve);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    asked.push({ authorization: request.headers.get("authorization"), body: await request.json() });
    const encoder = new TextEncoder();
    const event = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
    return new Response(
      new ReadableStream({
        async start(controller) {
          for (const [at, piece] of pieces.entries()) {
            // The first piece is seen before the second one is said.
            if (at === 1) await gate;
            const text = encoder.encode(event(piece));
            // An event may come in two parts.
            controller.enqueue(text.subarray(0, 9));
            controller.enqueue(text.subarray(9));
          }
          controller.enqueue(encoder.encode("data: [DONE]\n\n"));
          controller.close();
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
  });
  return { server, asked, go };
}

Deno.test("function examples: the assistant's answer grows in the channel as the model says it", async () => {
  const model = fakeModel(["The sky", " is blue,", " \u{1f600} mostly."]);
  const host = `127.0.0.1:${model.server.addr.port}`;
  await using examples = await Examples.start(["assistant"], {
    functions: {
      secrets: { MODEL_URL: `http://${host}`, MODEL_KEY: "key-of-the-model" },
      grants: { assistant: { privateHosts: [host], secrets: ["MODEL_URL", "MODEL_KEY"] } },
    },
  });
  const [ann, bob] = [await examples.join("ann"), await examples.join("bob")];
  await bob.ask("chat_message", { channel: room, text: "What a day" });
  const done = type(ann, "/assistant ask Why is it blue?");
  const begun = await bob.next(({ type, payload }) =>
    type === "chat_message" && payload.from === "assistant"
  );
  assert.equal(begun.payload.stream, "open");
  let text = begun.payload.text as string;
  while (true) {
    const { payload } = await bob.next("message_append");
    assert.equal(payload.at, text.length);
    text += payload.text;
    if (text === "The sky") model.go();
    if (payload.final !== undefined) break;
  }
  assert.equal(text, "The sky is blue, \u{1f600} mostly.");
  assert.deepEqual([(await done).kind, (await done).offset], ["channel", begun.payload.offset]);
  const { messages } = (await bob.ask("history", { channel: room, limit: 1, reverse: true })).payload;
  assert.deepEqual([messages[0].text, messages[0].stream], [text, "ended"]);
  assert.equal(model.asked[0]!.authorization, "Bearer key-of-the-model");
  assert.deepEqual(model.asked[0]!.body.messages.slice(1), [
    { role: "user", content: "bob: What a day" },
    { role: "user", content: "ann: Why is it blue?" },
  ]);
  await model.server.shutdown();
});

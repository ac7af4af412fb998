/** What is accepted is delivered: the largest messages, to a reader that is slow, in the form that is longest. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { routes } from "../../src/handlers/mod.ts";
import { isDeliverable, shownPayload } from "../../src/hub/deliverable.ts";
import type { Hub } from "../../src/hub/mod.ts";
import { type Message, type Payload, ProtocolError, uuidv7 } from "../../src/protocol/mod.ts";
import { Router } from "../../src/router/mod.ts";
import { Sessions } from "../../src/session/mod.ts";
import { memoryPair } from "../support/memory.ts";
import { Recorder, settle, testSettings } from "../session/support.ts";
import { makeHub, principal } from "./support.ts";

const CHANNEL = "chat:a";
/** The largest messages that a configuration allows are a quarter of the outbox. */
const LIMITS = { maxMessage: 8192, maxOutbox: 32_768 };

/** What is as large as it can be in JSON, and what is in MessagePack. */
const LARGEST: Payload[] = [
  { text: "\u0001".repeat(1360) },
  { data: Array.from({ length: 900 }, () => 0.5) },
  { text: "x".repeat(8100) },
];

function say(hub: Hub, payload: Payload): void {
  const published = hub.publish({ origin: "api", from: "bob", channel: CHANNEL, id: uuidv7(), payload });
  if (published instanceof Promise) throw new TypeError("the memory engine answers at once");
}

/** A client that is sent messages in `form`. */
async function reader(hub: Hub, form: "json" | "msgpack") {
  const router = new Router(routes({ hub }));
  const sessions = new Sessions({
    settings: () => testSettings(LIMITS),
    authenticator: { verify: () => Promise.resolve(principal("ann")) },
    membership: hub,
    claims: new MemoryEngine().commands,
    observer: new Recorder(),
    node: "test",
    dispatch: (context) => router.dispatch(context),
  });
  const { server, client } = memoryPair();
  sessions.accept(server);
  const messages: Message[] = [];
  client.onMessage = (message) => void messages.push(message);
  const ask = async (type: string, payload: Payload, lane = 0) => {
    await client.send({ type, id: uuidv7(), timestamp: 0, payload }, lane);
    await settle();
  };
  await ask("auth_request", { token: "t" });
  server.wire.form = form;
  return { client, messages, ask };
}

for (const form of ["json", "msgpack"] as const) {
  Deno.test(`deliverable: a channel of the largest messages is replayed whole in ${form}`, async () => {
    const { hub } = makeHub({ maxMessage: () => LIMITS.maxMessage });
    const count = 30;
    for (let i = 0; i < count; i++) say(hub, LARGEST[i % LARGEST.length]!);
    const { client, messages, ask } = await reader(hub, form);
    await ask("subscribe", { channel: CHANNEL });
    const { epoch } = messages.at(-1)!.payload;
    await ask("unsubscribe", { channel: CHANNEL });
    client.stalled = true;
    await ask("subscribe", { channel: CHANNEL, since: { epoch, offset: 0 } }, 1);
    client.stalled = false;
    for (let i = 0; i < 2 * count; i++) await ask("ping", {});
    const offsets = messages.filter(({ type }) => type === "chat_message").map(({ payload }) =>
      payload.offset
    );
    assert.deepEqual(offsets, Array.from({ length: count }, (_, i) => i + 1));
    assert.deepEqual(messages.filter(({ type }) => type === "server_notice"), []);
  });
}

Deno.test("deliverable: what no reader could be sent is refused", () => {
  const { hub } = makeHub({ maxMessage: () => LIMITS.maxMessage });
  for (const { text, data } of LARGEST) {
    const more = text !== undefined ? { text: `${text}${text}` } : { data: [data, data] };
    assert.throws(
      () => say(hub, more),
      (error) => error instanceof ProtocolError && error.error === "message_too_large",
    );
  }
});

Deno.test("deliverable: what is larger than a lowered limit is left out of a replay, which says so and goes on", async () => {
  let maxMessage = 200_000;
  const { hub } = makeHub({ maxMessage: () => maxMessage });
  const texts = ["a", "x".repeat(100_000), "y".repeat(100_000), "b", "z".repeat(100_000)];
  for (const text of texts) say(hub, { text });
  maxMessage = LIMITS.maxMessage;
  const { client, messages, ask } = await reader(hub, "json");
  await ask("subscribe", { channel: CHANNEL, since: { epoch: await epochOf(hub), offset: 0 } });
  await settle();
  const got = messages.flatMap(({ type, payload }) => {
    if (type === "chat_message") return [payload.text];
    return payload.kind === "discontinuity" ? [[payload.reason, payload.dropped, payload.offset]] : [];
  });
  assert.deepEqual(got, ["a", ["message_too_large", 2, 3], "b", ["message_too_large", 1, 5]]);
  say(hub, { text: "live" });
  await settle();
  assert.equal(messages.at(-1)!.payload.text, "live");
  client.close();
});

Deno.test("deliverable: answers show what is larger than a lowered limit without its content, and get past it", async () => {
  let maxMessage = 200_000;
  const { hub } = makeHub({ maxMessage: () => maxMessage });
  for (const text of ["a", "x".repeat(100_000), "b"]) say(hub, { text });
  maxMessage = LIMITS.maxMessage;
  const { client, messages, ask } = await reader(hub, "json");
  const content = ({ text, data, omitted }: Payload) => text ?? [data, omitted];
  const read: unknown[] = [];
  for (let since = 0, more = true; more;) {
    await ask("history", { channel: CHANNEL, since, limit: 1 });
    const { payload } = messages.at(-1)!;
    const [message] = payload.messages as { offset: number }[];
    read.push(content(message as Payload));
    since = message!.offset;
    more = payload.more as boolean;
  }
  assert.deepEqual(read, ["a", [null, "message_too_large"], "b"]);
  await ask("subscribe", { channel: CHANNEL });
  await ask("replay", { channel: CHANNEL, epoch: await epochOf(hub), from: 0, to: 3, speed: 100 });
  await settle();
  const replayed = messages.filter(({ type }) => type === "replay_message");
  assert.deepEqual(replayed.map(({ payload }) => content(payload)), read);
  client.close();
});

Deno.test("deliverable: an edit that is shown without its content still names its message", () => {
  const text = "x".repeat(100_000), omitted = "message_too_large";
  assert.deepEqual(shownPayload({ text, target: 7 }, LIMITS), { target: 7, data: null, omitted });
  assert.deepEqual(shownPayload({ text }, LIMITS), { data: null, omitted });
  assert.deepEqual(shownPayload({ text: "small", target: 7 }, LIMITS), { text: "small", target: 7 });
});

async function epochOf(hub: Hub): Promise<string> {
  return (await hub.position(CHANNEL)).epoch;
}

Deno.test("deliverable: a kept message may be a kilobyte larger than the limit in its largest form, and no byte more", () => {
  const limits = { maxMessage: 2000 };
  // Six bytes each in JSON.
  for (const letter of ["x", "\u0001"]) {
    const fits = (bytes: number) => {
      const per = JSON.stringify(letter).length - 2;
      const text = letter.repeat(Math.floor(bytes / per) - 5) + "x".repeat(bytes % per);
      return isDeliverable({ text }, limits);
    };
    // What is around the text takes some, the same each time.
    let most = 0;
    for (let bytes = 1000; bytes < 6000; bytes++) if (fits(bytes)) most = bytes;
    assert.ok(most > 2900 && most < 3200, `${most} bytes`);
  }
});

/** Compression in the SDK: against the real service, and a server that misbehaves. */

import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import { compressed } from "../../src/client/compression.ts";
import type { ClientOptions, ClientTransport } from "../../src/client/mod.ts";
import { Encoded, type JsonEncoded, type Message, type Payload } from "../../src/protocol/core.ts";
import { crowd, until } from "./crowd.ts";

const TRANSPORTS: readonly [string, Partial<ClientOptions>][] = [
  ["webtransport", { enableWebSocket: false }],
  ["quic", { rawQuic: true, enableWebSocket: false }],
  ["websocket", { enableQuic: false }],
];
const TEXT = "the same words again and again, ".repeat(1000);

for (const [kind, over] of TRANSPORTS) {
  Deno.test(`compression: large messages are smaller on the wire, whole and in order, over ${kind}`, async () => {
    await using people = await crowd();
    const ann = people.join("ann", { ...over, compression: compressed }), bob = people.join("bob", over);
    const heard: Record<string, string[]> = { ann: [], bob: [] };
    await ann.channel("chat:x").subscribe(({ text }) => heard.ann!.push(text!));
    await bob.channel("chat:x").subscribe(({ text }) => heard.bob!.push(text!));
    assert.equal(ann.manager.getTransportType(), kind);
    const sent = Array.from({ length: 20 }, (_, i) => i % 2 === 0 ? `${i} ${TEXT}` : `${i}`);
    await Promise.all(sent.map((text) => ann.channel("chat:x").publish(text)));
    await until("all heard", () => heard.ann!.length >= 20 && heard.bob!.length >= 20);
    assert.deepEqual(heard.ann, sent);
    // Without compression it is the same messages.
    assert.deepEqual(heard.bob, sent);
    const { traffic } = ann.manager.measure(), plain = bob.manager.measure().traffic;
    assert.ok(traffic!.bytesOut < 10 * TEXT.length / 5, `${traffic!.bytesOut} bytes out`);
    assert.ok(traffic!.bytesIn < plain!.bytesIn / 5, `${traffic!.bytesIn} of ${plain!.bytesIn} bytes in`);
    const { messages } = await ann.channel("chat:x").history({ limit: 1 });
    assert.equal(messages[0]!.text, sent[0]);
  });
}

Deno.test("compression: a WebSocket that is compressed already is left alone", async () => {
  await using people = await crowd({ http: { deflateFrom: 1024 } });
  const client = people.join("ann", { enableQuic: false, compression: compressed });
  let deflated = 0;
  const { promise, resolve } = Promise.withResolvers<string>();
  client.on("message", ({ type }) => type === "deflated" && deflated++);
  await client.channel("chat:x").subscribe(({ text }) => resolve(text!));
  await client.channel("chat:x").publish(TEXT);
  assert.equal(await promise, TEXT);
  assert.equal(deflated, 0);
});

/** A transport whose other end is the test. */
class FakeTransport {
  readonly sent: JsonEncoded[] = [];
  onMessage: ClientTransport["onMessage"] = () => {};
  onClose: ClientTransport["onClose"] = () => {};
  onLaneLost = () => {};
  onError = () => {};
  send(message: JsonEncoded): void {
    this.sent.push(message);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function fake(maxMessage: number) {
  const inner = new FakeTransport();
  const transport = compressed(inner as unknown as ClientTransport);
  const log: string[] = [];
  const more = { wake: () => {} };
  const note = (text: string): void => {
    log.push(text);
    more.wake();
  };
  transport.onMessage = ({ id }) => note(id);
  transport.onError = (error) => note((error as Error).message);
  transport.onClose = () => note("closed");
  const say = (type: string, id: string, payload: Payload) =>
    inner.onMessage({ type, id, timestamp: 1, payload } as Message, 0, false);
  say("auth_response", "auth", { deflate: 1000, limits: { maxMessage } });
  const logged = async (count: number): Promise<string[]> => {
    while (log.length < count) await new Promise<void>((resolve) => more.wake = resolve);
    return log;
  };
  return { inner, transport, say, logged, log };
}

function packed(text: string, size = text.length): Payload {
  return { data: new Uint8Array(deflateRawSync(text)).toBase64(), size };
}

const message = (id: string, text: string): string =>
  JSON.stringify({ type: "chat_message", id, timestamp: 1, payload: { text } });

Deno.test("compression: what becomes more than it says, or than is allowed, is refused, and the next message comes", async () => {
  const { say, logged } = fake(10_000);
  const bomb = message("bomb", "a".repeat(5_000_000));
  say("deflated", "d1", packed(bomb));
  say("deflated", "d2", packed(bomb, 5000));
  say("deflated", "d3", packed(message("short", "b"), 500));
  say("deflated", "d4", { data: "AAAA", size: 5 });
  say("deflated", "d5", packed(message("good", TEXT.slice(0, 8000))));
  const [auth, ...log] = await logged(6);
  assert.equal(auth, "auth");
  assert.match(log[0]!, /more than 11024 bytes/);
  assert.match(log[1]!, /larger than it says/);
  assert.match(log[2]!, /smaller than it says/);
  assert.equal(log[4], "good");
});

Deno.test("compression: messages and the end keep their order behind one that is decompressed", async () => {
  const { inner, say, logged, log } = fake(100_000);
  say("deflated", "d1", packed(message("first", TEXT)));
  say("pong", "second", {});
  say("deflated", "d2", packed(message("third", TEXT)));
  inner.onClose({ code: 1000, reason: "", by: "remote" });
  assert.deepEqual(log, ["auth"]);
  assert.deepEqual(await logged(5), ["auth", "first", "second", "third", "closed"]);
});

Deno.test("compression: messages of a lane keep their order behind one that is compressed", async () => {
  const { inner, transport } = fake(100_000);
  const of = (id: string, text: string) =>
    new Encoded({ type: "chat_message", id, timestamp: 1, payload: { text } });
  transport.send(of("large", TEXT), 1);
  transport.send(of("small", "b"), 1);
  transport.send(of("other", "c"), 2);
  assert.deepEqual(inner.sent.map(({ message }) => message.id), ["other"]);
  await transport.close();
  assert.deepEqual(inner.sent.map(({ message: { type, id } }) => `${type} ${id}`), [
    "chat_message other",
    "deflated large",
    "chat_message small",
  ]);
});

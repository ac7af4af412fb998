/** Large messages compressed, at the session. */

import assert from "node:assert/strict";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import {
  decodeText,
  Encoded,
  EncodedBatch,
  type Message,
  type Payload,
  ProtocolError,
} from "../../src/protocol/mod.ts";
import { blocks } from "../protocol/page.ts";
import { Deflater, inflated } from "../../src/session/deflate.ts";
import { FakeClock } from "../support/clock.ts";
import { authenticated, memoryNode } from "./support.ts";
import { settle } from "../support/clock.ts";

const TEXT = "the same words again and again, ".repeat(300);

function message(payload: Payload): Message {
  return { type: "chat_message", id: "m1", timestamp: 1, payload };
}

function packed(inner: unknown, size?: number): Message {
  const text = new TextEncoder().encode(JSON.stringify(inner));
  const payload = { data: new Uint8Array(deflateRawSync(text)), size: size ?? text.length };
  return { type: "deflated", id: "d1", timestamp: 1, payload };
}

const refused = (error: unknown) =>
  error instanceof ProtocolError && ["bad_request", "bad_payload"].includes(error.error);

/** Validates: any message comes back as it was, and one that is not made smaller is sent as it is. */
Deno.test("Feature: quic-transport, Property 73: a compressed message is the message", () => {
  const text = fc.oneof(fc.string({ unit: "grapheme", maxLength: 2000 }), fc.constant(TEXT));
  fc.assert(
    fc.property(text, fc.nat(3000), (text, from) => {
      const plain = new Encoded(message({ channel: "chat:a", text, offset: 1, prev: 0 }));
      const made = new Deflater(new FakeClock()).of(plain, from);
      if (made === plain) return;
      assert.ok(plain.text().length >= from);
      for (const form of ["json", "msgpack"] as const) {
        assert.ok(made.framed(form).length < plain.framed("json").length);
      }
      for (const form of ["json", "msgpack"] as const) {
        const back = form === "json" ? JSON.parse(made.text()) as Message : made.message;
        assert.deepEqual(inflated(back, 1 << 20).message, plain.message);
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("deflate: the examples of PROTOCOL.md hold messages", () => {
  const examples = [...blocks("json client"), ...blocks("json server")].map(decodeText)
    .filter(({ type }) => type === "deflated");
  assert.equal(examples.length, 2);
  for (const example of examples) assert.equal(inflated(example, 65_536).message.type, "chat_message");
});

Deno.test("deflate: what does not shrink, is small, or has bytes goes as it is", () => {
  const deflater = new Deflater(new FakeClock());
  const noise = crypto.getRandomValues(new Uint8Array(6000)).toBase64();
  for (const payload of [{ text: noise }, { text: "short" }, { text: TEXT, data: new Uint8Array(9000) }]) {
    const plain = new Encoded(message(payload));
    assert.equal(deflater.of(plain, 4096), plain);
  }
});

Deno.test("deflate: a message is compressed once, and waits as the one in it", () => {
  const deflater = new Deflater(new FakeClock());
  const plain = new Encoded(message({ channel: "chat:a", text: TEXT, offset: 1, prev: 0, priority: "high" }));
  const made = deflater.of(plain, 4096);
  assert.notEqual(made, plain);
  assert.equal(deflater.of(plain, 4096), made);
  assert.deepEqual(made.queueing, { policy: "channel", key: "chat:a", datagram: false, priority: 192 });
});

Deno.test("deflate: a message that becomes more than it says, or than is allowed, is refused", () => {
  const bomb = packed(message({ text: "a".repeat(10_000_000) }));
  assert.throws(() => inflated(bomb, 65_536), refused);
  // It says less than it is: no more is made of it than it says.
  const lie = packed(message({ text: "a".repeat(10_000_000) }), 1000);
  assert.throws(() => inflated(lie, 65_536), refused);
  assert.throws(() => inflated(packed(message({ text: "a" }), 60_000), 65_536), refused);
});

Deno.test("deflate: damage, no message, and a compressed message in another one are refused", () => {
  const damaged = packed(message({ text: TEXT }));
  (damaged.payload.data as Uint8Array).fill(7, 10, 40);
  for (const wrong of [damaged, packed("text"), packed(packed(message({})))]) {
    assert.throws(() => inflated(wrong, 1 << 20), refused);
  }
});

Deno.test("deflate: a node that has used its time up sends messages as they are, until more has passed", async () => {
  const clock = new FakeClock();
  const deflater = new Deflater(clock);
  const large = () => new Encoded(message({ text: TEXT.repeat(100) + crypto.randomUUID() }));
  let made = 0;
  while (made < 100_000) {
    const plain = large();
    if (deflater.of(plain, 4096) === plain) break;
    made++;
  }
  assert.ok(made > 0 && made < 100_000);
  await clock.advance(1000);
  const plain = large();
  assert.notEqual(deflater.of(plain, 4096), plain);
});

/** A client that asked for compression, and what it is sent. */
async function agreed(deflateFrom: number | null, deflate: boolean) {
  const handled: Message[] = [];
  const handlers = { chat_message: ({ message }: { message: Message }) => void handled.push(message) };
  const node = memoryNode({ handlers, settings: { deflateFrom } });
  const peer = await authenticated(node, "ok:ann", deflate ? { deflate } : {});
  const [client] = node.sessions.connections;
  const arrive = async (message: Message) => {
    await client!.frame(
      JSON.stringify(message, (_key, value) => value instanceof Uint8Array ? value.toBase64() : value),
      {
        lane: 0,
        datagram: false,
        early: false,
        overflow: false,
      },
    );
    await settle();
  };
  return { handled, peer, client: client!, arrive };
}

Deno.test("deflate: messages are compressed both ways once both sides have said so", async () => {
  const { handled, peer, client, arrive } = await agreed(4096, true);
  const answer = peer.messages.find(({ type }) => type === "auth_response");
  assert.equal(answer!.payload.deflate, 4096);
  const said = message({ channel: "chat:a", text: TEXT });
  await arrive(packed(said));
  assert.deepEqual(handled, [said]);
  client.send(new Encoded(message({ channel: "chat:a", text: TEXT, offset: 1, prev: 0 })), 0);
  client.send(new Encoded(message({ channel: "chat:a", text: "short", offset: 2, prev: 1 })), 0);
  await settle();
  const [large, small] = peer.messages.slice(-2);
  assert.deepEqual([large!.type, small!.type], ["deflated", "chat_message"]);
  const data = Uint8Array.fromBase64(large!.payload.data as unknown as string);
  assert.equal(JSON.parse(inflateRawSync(data).toString()).payload.text, TEXT);
});

Deno.test("deflate: of a batch large messages are compressed, and all keep their order", async () => {
  const { peer, client } = await agreed(4096, true);
  const of = (text: string, offset: number) =>
    new Encoded(message({ channel: "chat:a", text, offset, prev: offset - 1 }));
  client.send(new EncodedBatch([of("a", 1), of(TEXT, 2), of("b", 3)]), 0);
  await settle();
  assert.deepEqual(peer.messages.slice(-3).map(({ type, payload }) => payload.text ?? type), [
    "a",
    "deflated",
    "b",
  ]);
});

Deno.test("deflate: nothing is compressed, and nothing compressed is taken, unless both have said so", async () => {
  for (const [from, wanted] of [[null, true], [4096, false]] as const) {
    const { handled, peer, client, arrive } = await agreed(from, wanted);
    const answer = peer.messages.find(({ type }) => type === "auth_response");
    assert.equal(answer!.payload.deflate, undefined);
    client.send(new Encoded(message({ channel: "chat:a", text: TEXT, offset: 1, prev: 0 })), 0);
    await settle();
    assert.equal(peer.messages.at(-1)!.type, "chat_message");
    await arrive(packed(message({ channel: "chat:a", text: TEXT })));
    assert.deepEqual(handled, []);
    assert.equal(peer.messages.at(-1)!.payload.name, "bad_request");
  }
});

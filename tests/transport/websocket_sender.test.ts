import assert from "node:assert/strict";
import fc from "fast-check";
import { Encoded, EncodedBatch, type Form } from "../../src/protocol/mod.ts";
import type { Traffic, WireOptions } from "../../src/transport/contract.ts";
import { DenoServerWebSocket, type ServerWebSocket } from "../../src/transport/mod.ts";
import { WebSocketSender } from "../../src/transport/websocket_sender.ts";
import { decode, takeFrames } from "../support/wire.ts";

type Batch = WireOptions["batch"];

/** A sender and the frames it has sent. */
function sender(form: Form, batch: Batch) {
  const frames: (string | Uint8Array)[] = [];
  const send = (data: string | Uint8Array) => void frames.push(data);
  const socket: ServerWebSocket = new DenoServerWebSocket(
    { readyState: 1, bufferedAmount: 0, send, close() {} } as unknown as WebSocket,
  );
  const traffic: Traffic = { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
  const made = new WebSocketSender(socket, { form, batch }, traffic);
  const run = (messages: Encoded[]) => {
    const waiting = [...messages];
    while (made.send(() => waiting.shift()));
    return waiting.length;
  };
  return { frames, traffic, run };
}

const message = (id: string, text = "") =>
  new Encoded({ type: "chat_message", id, timestamp: 0, payload: { channel: "chat:a", text } }, true);
const batch = (...ids: string[]) => new EncodedBatch(ids.map((id) => message(id)));

/** The ids in a frame. */
function idsOf(frame: string | Uint8Array): string[] {
  if (typeof frame === "string") return frame.split("\n").map((line) => decode(line).id);
  const { bodies, rest } = takeFrames(frame);
  assert.equal(rest.length, 0);
  return bodies.map((body) => decode(body).id);
}

Deno.test("websocket sender: a client that says nothing gets each message of a batch as a frame of text", () => {
  const { frames, traffic, run } = sender("json", "none");
  run([message("a"), batch("b", "c"), message("d")]);
  assert.ok(frames.every((frame) => typeof frame === "string"));
  assert.deepEqual(frames.map(idsOf), [["a"], ["b"], ["c"], ["d"]]);
  assert.equal(traffic.messagesOut, 4);
});

Deno.test("websocket sender: a client of lines gets what waits in one frame of text", () => {
  const { frames, traffic, run } = sender("json", "lines");
  run([message("a"), batch("b", "c"), message("d", "line\nbreak")]);
  assert.deepEqual(frames.map((frame) => typeof frame), ["string"]);
  assert.deepEqual(idsOf(frames[0]!), ["a", "b", "c", "d"]);
  assert.equal(traffic.messagesOut, 4);
  run([batch("e", "f")]);
  assert.equal(frames[1], batch("e", "f").text());
});

Deno.test("websocket sender: a client of frames gets one message as text and several as one frame of bytes", () => {
  const { frames, run } = sender("json", "frames");
  run([message("a")]);
  run([batch("b", "c")]);
  run([message("d"), batch("e", "f"), message("g")]);
  assert.deepEqual(frames.map((frame) => typeof frame), ["string", "object", "object"]);
  assert.deepEqual(frames.map(idsOf), [["a"], ["b", "c"], ["d", "e", "f", "g"]]);
});

Deno.test("websocket sender: MessagePack comes in frames of bytes, whatever was agreed on for JSON", () => {
  for (const agreed of ["none", "lines", "frames"] as const) {
    const { frames, run } = sender("msgpack", agreed);
    run([message("a")]);
    run([batch("b", "c"), message("d")]);
    assert.deepEqual(frames.map(idsOf), [["a"], ["b", "c", "d"]]);
    assert.ok(frames.every((frame) => frame instanceof Uint8Array));
  }
});

/** Validates: no way of putting messages into frames loses, doubles or reorders one, and what is counted is what was sent. */
Deno.test("Feature: quic-transport, Property 92: whatever the sizes and the way of batching, every message leaves once and in order", () => {
  const wire = fc.record({
    form: fc.constantFrom<Form>("json", "msgpack"),
    batch: fc.constantFrom<Batch>("none", "lines", "frames"),
  });
  const size = fc.oneof(fc.nat(100), fc.nat(20_000), fc.integer({ min: 60_000, max: 70_000 }));
  const item = fc.array(size, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(wire, fc.array(item, { maxLength: 12 }), ({ form, batch }, items) => {
      let count = 0;
      const messages = items.map((sizes) => {
        const parts = sizes.map((size) => message(`m${count++}`, "é".repeat(size)));
        return parts.length === 1 ? parts[0]! : new EncodedBatch(parts);
      });
      const { frames, traffic, run } = sender(form, batch);
      assert.equal(run(messages), 0);
      assert.deepEqual(frames.flatMap(idsOf), Array.from({ length: count }, (_, i) => `m${i}`));
      assert.equal(traffic.messagesOut, count);
      const bytes = frames.map((frame) =>
        typeof frame === "string" ? new TextEncoder().encode(frame).length : frame.length
      );
      assert.equal(traffic.bytesOut, bytes.reduce((sum, length) => sum + length, 0));
    }),
    { numRuns: 200 },
  );
});

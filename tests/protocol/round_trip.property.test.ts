import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeFrame,
  decodeText,
  encodeBare,
  Encoded,
  type Form,
  type Message,
} from "../../src/protocol/mod.ts";
import { bytes, message } from "./arbitraries.ts";
import { scanFrames } from "./frames.ts";

const form = fc.constantFrom<Form>("json", "msgpack");

/** Validates: what was written is read back, whether it is encoded alone, shared or framed. */
Deno.test("Feature: quic-transport, Property 6: serialisation round trip (both forms, in every way of writing)", () => {
  fc.assert(
    fc.property(message, form, fc.boolean(), (message, form, shared) => {
      const bare = decodeFrame(encodeBare(message, form));
      assert.deepEqual(bare, { message, form });
      const encoded = new Encoded(message, shared);
      if (form === "json") assert.deepEqual(decodeText(encoded.text()), message);
      const target = new Uint8Array(encoded.room(form));
      assert.deepEqual(readAll(target, encoded.writeTo(target, 0, form)), [message]);
    }),
    { numRuns: 300 },
  );
});

/** Validates: a message read from JSON and from MessagePack is one message. */
Deno.test("Feature: quic-transport, Property 6: serialisation round trip (both forms say the same)", () => {
  fc.assert(
    fc.property(message, (message) => {
      const [json, msgpack] = (["json", "msgpack"] as const)
        .map((form) => decodeFrame(encodeBare(message, form)).message);
      assert.deepEqual(json, msgpack);
    }),
    { numRuns: 200 },
  );
});

/** Validates: bytes come back as bytes in MessagePack and as base64 in JSON. */
Deno.test("Feature: quic-transport, Property 6: serialisation round trip (bytes at the top of a payload)", () => {
  fc.assert(fc.property(message, bytes, (message, bytes) => {
    const sent: Message = { ...message, payload: { ...message.payload, bytes } };
    const { payload } = decodeFrame(encodeBare(sent, "msgpack")).message;
    assert.deepEqual(payload, sent.payload);
    const text = decodeFrame(encodeBare(sent, "json")).message.payload.bytes;
    assert.deepEqual(Uint8Array.fromBase64(text as string), bytes);
  }));
});

/** Validates: frames are found whole wherever a stream was cut. */
Deno.test("Feature: quic-transport, Property 6: serialisation round trip (frames cut at any boundary)", () => {
  const sent = fc.array(fc.tuple(message, form, fc.boolean()), { minLength: 1, maxLength: 8 });
  const cuts = fc.infiniteStream(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 2000 })));
  fc.assert(
    fc.property(sent, cuts, (sent, cuts) => {
      const parts = sent.map(([message, form, shared]) => {
        const encoded = new Encoded(message, shared);
        const part = new Uint8Array(encoded.room(form));
        return part.subarray(0, encoded.writeTo(part, 0, form));
      });
      const wire = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let end = 0;
      for (const part of parts) {
        wire.set(part, end);
        end += part.length;
      }
      // A reader that gets the wire in pieces, and keeps what is not yet a frame.
      const got: Message[] = [];
      let kept = new Uint8Array();
      for (let at = 0; at < wire.length;) {
        const size = cuts.next().value;
        const piece = wire.subarray(at, at + size);
        at += piece.length;
        const buffer = new Uint8Array(kept.length + piece.length);
        buffer.set(kept);
        buffer.set(piece, kept.length);
        const rest = scanFrames(buffer, 0, buffer.length, 1 << 20, (frame) => {
          got.push(decodeFrame(frame).message);
        });
        kept = buffer.slice(rest);
      }
      assert.equal(kept.length, 0);
      assert.deepEqual(got, sent.map(([message]) => message));
    }),
    { numRuns: 200 },
  );
});

function readAll(bytes: Uint8Array, end: number): Message[] {
  const messages: Message[] = [];
  const rest = scanFrames(bytes, 0, end, 1 << 20, (frame) => {
    messages.push(decodeFrame(frame).message);
  });
  assert.equal(rest, end);
  return messages;
}

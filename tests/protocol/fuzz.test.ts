import assert from "node:assert/strict";
import fc from "fast-check";
import {
  CloseError,
  decodeFrame,
  decodeText,
  encodeBare,
  isJson,
  MAX_PAYLOAD_DEPTH,
  parsePayload,
  type Payload,
  ProtocolError,
} from "../../src/protocol/mod.ts";
import { json, message } from "./arbitraries.ts";
import { clientTypes } from "../support/message_types.ts";
import { scanFrames } from "./frames.ts";

/** Decodes; what comes out is a message or a ProtocolError. */
function survives(decode: () => ReturnType<typeof decodeText>): void {
  try {
    const { payload } = decode();
    for (const value of Object.values(payload)) {
      assert.ok(
        value instanceof Uint8Array || isJson(value, MAX_PAYLOAD_DEPTH),
        "a payload that JSON can hold",
      );
    }
  } catch (error) {
    assert.ok(error instanceof ProtocolError && error.error === "bad_request", `${error}`);
  }
}

// What decides much: heads of lengths, of nesting, of extensions, quotes, braces.
const telling = fc.constantFrom(
  ...[0x00, 0x22, 0x5b, 0x5d, 0x7b, 0x7d, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa1, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6],
  ...[0xc7, 0xc9, 0xca, 0xcb, 0xcf, 0xd3, 0xd4, 0xd8, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xff],
);
const byte = fc.oneof(telling, fc.nat(255));

Deno.test("fuzz: any bytes are a message or a ProtocolError", () => {
  const first = fc.constantFrom(0x7b, 0x81, 0x84, 0x8f, 0xde, 0xdf);
  const rest = fc.array(byte, { maxLength: 200 });
  fc.assert(
    fc.property(
      first,
      rest,
      (first, rest) => survives(() => decodeFrame(Uint8Array.of(first, ...rest)).message),
    ),
    { numRuns: 5000 },
  );
});

Deno.test("fuzz: a message with some bytes changed, cut out or put in is a message or a ProtocolError", () => {
  const change = fc.record({ at: fc.nat(), remove: fc.nat(3), insert: fc.array(byte, { maxLength: 3 }) });
  fc.assert(
    fc.property(
      message,
      fc.constantFrom("json" as const, "msgpack" as const),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      (message, form, changes) => {
        const frame = [...encodeBare(message, form)];
        for (const { at, remove, insert } of changes) {
          frame.splice(at % (frame.length + 1), remove, ...insert);
        }
        survives(() => decodeFrame(Uint8Array.from(frame)).message);
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("fuzz: any text is a message or a ProtocolError", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    fc.string().map((s) => `{"type":"ping",${s}}`),
  );
  fc.assert(fc.property(text, (text) => survives(() => decodeText(text))), { numRuns: 1000 });
});

Deno.test("fuzz: any bytes on a stream are frames, too few, or a CloseError", () => {
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 100 }), (bytes) => {
      const stream = Uint8Array.from(bytes);
      try {
        const rest = scanFrames(stream, 0, stream.length, 50, (frame) => {
          assert.ok(frame.length > 0 && frame.length <= 50);
        });
        assert.ok(rest <= stream.length);
      } catch (error) {
        assert.ok(error instanceof CloseError, `${error}`);
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("fuzz: any payload of any type is taken or refused with bad_payload", () => {
  const field = fc.constantFrom(
    ...[
      "channel",
      "text",
      "data",
      "token",
      "resume",
      "since",
      "limit",
      "reverse",
      "to",
      "bot",
      "command",
      "args",
    ],
    ...[
      "rtt",
      "loss",
      "batch",
      "client",
      "fallbackFrom",
      "fallbackReason",
      "connectTime",
      "reconnects",
      "migrationFailed",
    ],
  );
  const value = fc.oneof(
    json(4),
    fc.constantFrom<unknown>("chat:x", "ann", 1, 0, -1, true, {}, [], null, new Uint8Array(2)),
    fc.constant({ sessionId: "s", channels: { "chat:x": { epoch: "e", offset: 1 } } }),
  );
  const payload = fc.dictionary(field, value, { noNullPrototype: true });
  let taken = 0;
  fc.assert(
    fc.property(fc.constantFrom(...clientTypes), payload, (type, payload: Payload) => {
      try {
        parsePayload(type, payload);
        taken++;
      } catch (error) {
        assert.ok(error instanceof ProtocolError && error.error === "bad_payload", `${error}`);
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(taken > 100, "and some are taken");
});

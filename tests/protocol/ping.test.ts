import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeText,
  isId,
  MAX_RTT,
  parsePayload,
  pongText,
  readPlainPing,
  uuidv7,
} from "../../src/protocol/mod.ts";

const plain = (id: string, timestamp: number, payload: unknown) =>
  JSON.stringify({ type: "ping", id, timestamp, payload });
const bytes = (text: string) => new TextEncoder().encode(text);

/** What the parser and the schema make of a text; undefined: they refuse it. */
function parsed(text: string): { id: string; rtt: number | undefined } | undefined {
  try {
    const { type, id, payload } = decodeText(text);
    return type === "ping" ? { id, rtt: parsePayload("ping", payload).rtt } : undefined;
  } catch {
    return undefined;
  }
}

Deno.test("ping: those of the SDK are read, as text and as bytes", () => {
  for (const payload of [{}, { rtt: 0 }, { rtt: 12 }, { rtt: 0.123456789012345 }, { rtt: MAX_RTT }]) {
    const text = plain(uuidv7(), Date.now(), payload);
    const expected = { id: JSON.parse(text).id, rtt: (payload as { rtt?: number }).rtt };
    assert.deepEqual(readPlainPing(text), expected, text);
    assert.deepEqual(readPlainPing(bytes(text)), expected, text);
  }
});

Deno.test("ping: what is not exactly of that form is left to the parser", () => {
  const text = plain("a", 1, {});
  for (
    const other of [
      text + " ",
      text.replace(":1,", ":01,"),
      text.replace(":1,", ":1e3,"),
      text.replace(":1,", ":1.5,"),
      text.replace(':"a"', ':""'),
      text.replace(':"a"', ':"a b"'),
      text.replace(':"a"', ':"a\\"b"'),
      text.replace(':"a"', ':"\\u0061"'),
      text.replace(':"a"', `:"${"a".repeat(65)}"`),
      text.replace("{}", '{"rtt":600001}'),
      text.replace("{}", '{"rtt":-1}'),
      text.replace("{}", '{"rtt":.5}'),
      text.replace("{}", '{"rtt":1,"x":1}'),
      text.replace("{}}", '{},"re":"x"}'),
      text.replace('"ping"', '"pong"'),
    ]
  ) {
    assert.equal(readPlainPing(other), undefined, other);
    assert.equal(readPlainPing(bytes(other)), undefined, other);
  }
});

/** Validates: what is read without a parser is what the parser and the schema would have read. */
Deno.test("Feature: quic-transport, Property 94: a ping that is read without a parser is read the same", () => {
  const id = fc.string({ minLength: 1, maxLength: 66, unit: "grapheme-ascii" });
  const payload = fc.oneof(
    fc.constant({}),
    fc.record({ rtt: fc.oneof(fc.double(), fc.integer(), fc.constant(MAX_RTT + 1)) }),
  );
  const damage = fc.option(fc.record({ at: fc.nat(140), text: fc.string({ maxLength: 2 }) }), {
    nil: undefined,
  });
  let read = 0;
  fc.assert(
    fc.property(id, fc.nat(), payload, damage, (id, timestamp, payload, damage) => {
      const whole = plain(id, timestamp, payload);
      const text = damage === undefined
        ? whole
        : whole.slice(0, damage.at) + damage.text + whole.slice(damage.at + 1);
      for (const found of [readPlainPing(text), readPlainPing(bytes(text))]) {
        if (found === undefined) continue;
        read++;
        assert.deepEqual(found, parsed(text), text);
        const pong = { type: "pong", id: uuidv7(), timestamp: 1.5, re: found.id, payload: {} };
        assert.ok(isId(found.id));
        assert.equal(pongText(pong), JSON.stringify(pong));
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(read > 100, `${read} were read`);
});

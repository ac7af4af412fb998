import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeFrame,
  decodeText,
  isId,
  MAX_RTT,
  type Message,
  parsePayload,
  Pongs,
  readPlainPing,
  scanFrame,
  uuidv7,
} from "../../src/protocol/mod.ts";

const plain = (id: string, timestamp: number, payload: unknown) =>
  JSON.stringify({ type: "ping", id, timestamp, payload });
const bytes = (text: string) => new TextEncoder().encode(text);

/** A ping as it is read without a parser. */
function readPing(frame: Uint8Array | string): { id: string; rtt: number | undefined } | undefined {
  const ping = readPlainPing(frame);
  if (ping === undefined) return undefined;
  return { id: new TextDecoder().decode(ping.bytes.subarray(ping.from, ping.to)), rtt: ping.rtt };
}

/** Pongs to pings of these ids. */
function pongsTo(ids: readonly string[], now: number): Pongs {
  const pongs = new Pongs();
  for (const id of ids) {
    const ping = readPlainPing(plain(id, 1, {}))!;
    pongs.add(ping, pongs.bytesOf(ping, now));
  }
  return pongs;
}

/** The messages in what is written to a stream. */
function messagesOf(framed: Uint8Array): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < framed.length;) {
    const scan = scanFrame(framed, at, framed.length, 1000);
    assert.ok(scan.kind === "frame");
    messages.push(decodeFrame(framed.subarray(scan.start, scan.end)).message);
    at = scan.end;
  }
  return messages;
}

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
    assert.deepEqual(readPing(text), expected, text);
    assert.deepEqual(readPing(bytes(text)), expected, text);
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
      text.replace(':"a"', ':"\u00e9"'),
      text.slice(0, -1),
      text.slice(0, 30),
      text.replace(":1,", `:${"1".repeat(17)},`),
      text.replace("{}", `{"rtt":0.${"1".repeat(21)}}`),
      plain("a".repeat(64), 1, { rtt: 1 }) + " ".repeat(100),
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
      for (const found of [readPing(text), readPing(bytes(text))]) {
        if (found === undefined) continue;
        read++;
        assert.deepEqual(found, parsed(text), text);
        assert.ok(isId(found.id));
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(read > 100, `${read} were read`);
});

/** Validates: answers that are written as bytes are pongs as `JSON.stringify` writes them. */
Deno.test("Feature: quic-transport, Property 323: pongs that leave together are pongs to their pings, in order", () => {
  const id = fc.string({ minLength: 1, maxLength: 64, unit: "grapheme-ascii" })
    .filter((id) => readPing(plain(id, 1, {})) !== undefined);
  fc.assert(
    fc.property(fc.array(id, { minLength: 1, maxLength: 20 }), fc.nat(), (ids, now) => {
      const pongs = pongsTo(ids, now);
      const framed = pongs.framed();
      const messages = messagesOf(framed);
      assert.deepEqual(
        messages.map(({ id: _, ...rest }) => rest),
        ids.map((re) => ({ type: "pong", timestamp: now, re, payload: {} })),
      );
      const sorted = messages.map(({ id }) => id);
      assert.deepEqual(sorted, [...new Set(sorted)].sort());
      const texts = messages.map(({ type, id, timestamp, re, payload }) =>
        JSON.stringify({ type, id, timestamp, re, payload })
      );
      assert.equal(pongs.text(), texts.join("\n"));
      assert.equal(pongs.count, ids.length);
      assert.deepEqual(pongs.parts?.map((part) => part.text()), ids.length === 1 ? undefined : texts);
      assert.deepEqual(pongs.utf8, ids.length === 1 ? bytes(texts[0]!) : undefined);
      const target = new Uint8Array(pongs.room() + 3);
      assert.equal(pongs.writeTo(target, 3), framed.length + 3);
      assert.deepEqual(target.subarray(3), framed);
      assert.equal(pongs.size(), framed.length);
    }),
    { numRuns: 200 },
  );
});

Deno.test("ping: a batch of pongs has an end", () => {
  const pongs = new Pongs();
  const text = plain("a".repeat(64), 1, {});
  let count = 0;
  for (;; count++) {
    const ping = readPlainPing(text)!;
    const more = pongs.bytesOf(ping, 1);
    if (more === 0) break;
    pongs.add(ping, more);
  }
  assert.ok(count > 10);
  assert.ok(pongs.size() <= 4096);
  assert.equal(messagesOf(pongs.framed()).length, count);
});

/**
 * What a WebSocket server has to do (RFC 6455), asked of an echo server: every adapter passes the same cases.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CHARACTERS, NOT_UTF8 } from "./utf8_cases.ts";
import { closePayload, type Frame, frame, RawClient } from "./raw_client.ts";

/** Bytes of a message that the echo server takes at most. */
export const LIMIT = 65536;

/** One case: what is sent, and what has to come. */
export interface Case {
  readonly name: string;
  run(client: RawClient): Promise<void>;
}

const TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10;

const text = (got: Frame | undefined): string | undefined => got && new TextDecoder().decode(got.payload);

async function echoes(client: RawClient, opcode: number, payload: Uint8Array | string): Promise<void> {
  const got = await client.receive();
  assert.equal(got?.opcode, opcode);
  const want = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  assert.deepEqual(got.payload.length, want.length);
  assert.ok(got.payload.every((byte, i) => byte === want[i]), "the payload comes back as it was");
}

/** The server closes with one of these codes, and ends the stream. */
async function fails(client: RawClient, ...codes: number[]): Promise<void> {
  const frames = await client.rest();
  const close = frames.find(({ opcode }) => opcode === CLOSE);
  assert.ok(close !== undefined, `a close frame with ${codes}`);
  assert.ok(
    codes.includes(close.payload[0]! << 8 | close.payload[1]!),
    `${close.payload} is one of ${codes}`,
  );
}

function send(name: string, parts: () => Uint8Array[], then: (client: RawClient) => Promise<void>): Case {
  return {
    name,
    async run(client) {
      await client.send(...parts());
      await then(client);
    },
  };
}

/** Sends bytes one by one, or so many at a time. */
function chopped(
  name: string,
  parts: () => Uint8Array[],
  size: number,
  then: (client: RawClient) => Promise<void>,
): Case {
  return {
    name,
    async run(client) {
      for (const part of parts()) {
        for (let at = 0; at < part.length; at += size) await client.send(part.subarray(at, at + size));
      }
      await then(client);
    },
  };
}

const TEN = Array.from({ length: 10 }, (_, i) => `ping ${i}`);

async function tenPongs(client: RawClient): Promise<void> {
  for (const payload of TEN) await echoes(client, PONG, payload);
}

const lengths = [0, 1, 125, 126, 127, 128, 65535, LIMIT];

/** All cases. */
export const CASES: readonly Case[] = [
  ...lengths.map((length) =>
    send(
      `a text of ${length} bytes comes back`,
      () => [frame(TEXT, "*".repeat(length))],
      (client) => echoes(client, TEXT, "*".repeat(length)),
    )
  ),
  ...lengths.map((length) => {
    const bytes = new Uint8Array(length).map((_, i) => i * 7);
    return send(
      `${length} bytes come back`,
      () => [frame(BINARY, bytes)],
      (client) => echoes(client, BINARY, bytes),
    );
  }),
  {
    name: "a message in single bytes comes back",
    async run(client) {
      for (const byte of frame(TEXT, "grüße €")) await client.send(Uint8Array.of(byte));
      await echoes(client, TEXT, "grüße €");
    },
  },
  send(
    "several messages in one write come back in order",
    () => Array.from({ length: 50 }, (_, i) => frame(TEXT, `${i}`)),
    async (client) => {
      for (let i = 0; i < 50; i++) assert.equal(text(await client.receive()), `${i}`);
    },
  ),
  send(
    "a ping is answered with its payload",
    () => [frame(PING, "hello")],
    (client) => echoes(client, PONG, "hello"),
  ),
  send("a ping without payload is answered", () => [frame(PING)], (client) => echoes(client, PONG, "")),
  send(
    "a ping of 125 bytes is answered",
    () => [frame(PING, new Uint8Array(125).fill(254))],
    (client) => echoes(client, PONG, new Uint8Array(125).fill(254)),
  ),
  send("ten pings are answered, in order", () => TEN.map((payload) => frame(PING, payload)), tenPongs),
  chopped(
    "ten pings in single bytes are answered, in order",
    () => TEN.map((payload) => frame(PING, payload)),
    1,
    tenPongs,
  ),
  chopped(
    "a message in pieces of 997 bytes comes back",
    () => [frame(TEXT, "*".repeat(LIMIT))],
    997,
    (client) => echoes(client, TEXT, "*".repeat(LIMIT)),
  ),
  chopped(
    "fragments with pings between them are put together when they come in single bytes",
    () => [frame(TEXT, "one ", { fin: false }), frame(PING, "p"), frame(0, "two")],
    1,
    async (client) => {
      await echoes(client, PONG, "p");
      await echoes(client, TEXT, "one two");
    },
  ),
  send(
    "a pong that nobody asked for is passed over",
    () => [frame(PONG, "x"), frame(TEXT, "on")],
    (client) => echoes(client, TEXT, "on"),
  ),
  send(
    "a ping of 126 bytes is a protocol error",
    () => [frame(PING, new Uint8Array(126))],
    (client) => fails(client, 1002),
  ),
  send(
    "a ping in fragments is a protocol error",
    () => [frame(PING, "a", { fin: false }), frame(0, "b")],
    (client) => fails(client, 1002),
  ),
  send("fragments are put together", () => [
    frame(TEXT, "one ", { fin: false }),
    frame(0, "two ", { fin: false }),
    frame(0, "three"),
  ], (client) => echoes(client, TEXT, "one two three")),
  send("empty fragments are put together", () => [
    frame(TEXT, "", { fin: false }),
    frame(0, "", { fin: false }),
    frame(0, ""),
  ], (client) => echoes(client, TEXT, "")),
  send("a ping between fragments is answered first", () => [
    frame(TEXT, "one ", { fin: false }),
    frame(PING, "p"),
    frame(0, "two"),
  ], async (client) => {
    await echoes(client, PONG, "p");
    await echoes(client, TEXT, "one two");
  }),
  send("a character may lie across fragments", () => [
    frame(TEXT, new Uint8Array([0xe2, 0x82]), { fin: false }),
    frame(0, new Uint8Array([0xac])),
  ], (client) => echoes(client, TEXT, "€")),
  send(
    "a continuation of nothing is a protocol error",
    () => [frame(0, "x")],
    (client) => fails(client, 1002),
  ),
  send("a new message before the end of the last is a protocol error", () => [
    frame(TEXT, "a", { fin: false }),
    frame(TEXT, "b"),
  ], (client) => fails(client, 1002)),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) =>
    send(`opcode ${opcode} is a protocol error`, () => [frame(opcode)], (client) => fails(client, 1002))
  ),
  ...[0x10, 0x20, 0x40, 0x70].map((rsv) =>
    send(
      `reserved bits ${rsv} are a protocol error`,
      () => [frame(TEXT, "a", { rsv })],
      (client) => fails(client, 1002),
    )
  ),
  ...[[PING, "a ping"], [CLOSE, "a close"], [BINARY, "bytes"]].map(([opcode, what]) =>
    send(
      `reserved bits in ${what} are a protocol error`,
      () => [frame(opcode as number, "", { rsv: 0x20 })],
      (client) => fails(client, 1002),
    )
  ),
  send("reserved bits in a continuation are a protocol error", () => [
    frame(TEXT, "a", { fin: false }),
    frame(0, "b", { rsv: 0x40 }),
  ], (client) => fails(client, 1002)),
  send("what comes before a protocol error comes back", () => [
    frame(TEXT, "first"),
    frame(5),
  ], async (client) => {
    await echoes(client, TEXT, "first");
    await fails(client, 1002);
  }),
  send(
    "a frame without a mask is a protocol error",
    () => [frame(TEXT, "a", { masked: false })],
    (client) => fails(client, 1002),
  ),
  ...NOT_UTF8.map((bytes) =>
    send(
      `text that is not UTF-8 is refused: ${bytes}`,
      () => [frame(TEXT, new Uint8Array(bytes))],
      (client) => fails(client, 1007),
    )
  ),
  send("text that is not UTF-8 is refused when it comes in fragments", () => [
    frame(TEXT, "fine ", { fin: false }),
    frame(0, new Uint8Array([0xe2, 0x82]), { fin: false }),
    frame(0, "x"),
  ], (client) => fails(client, 1007)),
  ...CHARACTERS.map((code) =>
    send(
      `U+${code.toString(16)} comes back`,
      () => [frame(TEXT, String.fromCodePoint(code))],
      (client) => echoes(client, TEXT, String.fromCodePoint(code)),
    )
  ),
  send("text comes back when each byte is a fragment", () => {
    const bytes = new TextEncoder().encode("Hello-µ@ßöäüàá-😀!");
    return [...bytes].map((byte, at) =>
      frame(at === 0 ? TEXT : 0, Uint8Array.of(byte), { fin: at === bytes.length - 1 })
    );
  }, (client) => echoes(client, TEXT, "Hello-µ@ßöäüàá-😀!")),
  send(
    "a message above the limit is refused",
    () => [frame(TEXT, "*".repeat(LIMIT + 1))],
    (client) => fails(client, 1009),
  ),
  send("fragments above the limit together are refused", () => [
    frame(BINARY, new Uint8Array(LIMIT), { fin: false }),
    frame(0, new Uint8Array(1)),
  ], (client) => fails(client, 1009)),
  send("a length above the limit is refused before the bytes come", () => [
    frame(BINARY, new Uint8Array(0), { length: 2 ** 40, lengthBytes: 8 }),
  ], (client) => fails(client, 1009)),
  send(
    "a close is answered with its code",
    () => [frame(CLOSE, closePayload(1000, "bye"))],
    (client) => fails(client, 1000),
  ),
  send("a close without a code is answered", () => [frame(CLOSE)], async (client) => {
    const frames = await client.rest();
    assert.equal(frames.at(-1)?.opcode, CLOSE);
  }),
  ...[1001, 1002, 1003, 1007, 1011, 3000, 3999, 4000, 4999].map((code) =>
    send(
      `close code ${code} is taken`,
      () => [frame(CLOSE, closePayload(code))],
      (client) => fails(client, code),
    )
  ),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535].map((code) =>
    send(
      `close code ${code} is a protocol error`,
      () => [frame(CLOSE, closePayload(code))],
      (client) => fails(client, 1002),
    )
  ),
  send(
    "a close with one byte is a protocol error",
    () => [frame(CLOSE, new Uint8Array(1))],
    (client) => fails(client, 1002),
  ),
  send(
    "a close reason of 123 bytes is taken",
    () => [frame(CLOSE, closePayload(1000, "*".repeat(123)))],
    (client) => fails(client, 1000),
  ),
  send(
    "a close of 126 bytes is a protocol error",
    () => [frame(CLOSE, closePayload(1000, "*".repeat(124)))],
    (client) => fails(client, 1002),
  ),
  send("a close between fragments is answered, and the message is dropped", () => [
    frame(TEXT, "half", { fin: false }),
    frame(CLOSE, closePayload(1000)),
    frame(0, "late"),
  ], async (client) => {
    const frames = await client.rest();
    assert.deepEqual(frames.map(({ opcode }) => opcode), [CLOSE]);
  }),
  send("a ping after a close is not answered", () => [
    frame(CLOSE, closePayload(1000)),
    frame(PING, "late"),
  ], async (client) => {
    assert.ok((await client.rest()).every(({ opcode }) => opcode !== PONG));
  }),
  send("a close reason that is not UTF-8 is refused", () => [
    frame(CLOSE, closePayload(1000, new Uint8Array([0xff]))),
  ], (client) => fails(client, 1007, 1002)),
  send(
    "nothing is read after a close",
    () => [frame(CLOSE, closePayload(1000)), frame(TEXT, "late")],
    async (client) => {
      assert.ok((await client.rest()).every(({ opcode }) => opcode !== TEXT));
    },
  ),
];

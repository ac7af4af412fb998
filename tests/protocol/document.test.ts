import assert from "node:assert/strict";
import {
  decodeFrame,
  decodeText,
  type ErrorName,
  ERRORS,
  type Message,
  parsePayload,
  parseServerPayload,
  readVarint,
  scanFrame,
} from "../../src/protocol/mod.ts";
import { clientTypes, serverTypes } from "../support/message_types.ts";
import { blocks } from "./page.ts";

function checkClient(message: Message): void {
  const type = clientTypes.find((type) => type === message.type);
  assert.ok(type, `${message.type} is no client type`);
  parsePayload(type, message.payload);
}

function checkServer(message: Message): void {
  const type = serverTypes.find((type) => type === message.type);
  assert.ok(type, `${message.type} is no server type`);
  const parsed = Object.fromEntries(
    Object.entries(parseServerPayload(type, message.payload))
      .map(([field, value]) => [field, value instanceof Uint8Array ? value.toBase64() : value]),
  );
  assert.deepEqual(parsed, message.payload, `${type}: the example has a field that the schema does not know`);
}

Deno.test("document: every message type has an example that fits its schema", () => {
  const client = blocks("json client").map(decodeText), server = blocks("json server").map(decodeText);
  client.forEach(checkClient);
  server.forEach(checkServer);
  assert.deepEqual(new Set(client.map(({ type }) => type)), new Set<string>(clientTypes));
  assert.deepEqual(new Set(server.map(({ type }) => type)), new Set<string>(serverTypes));
});

Deno.test("document: every block of JSON says which side sends it", () => {
  assert.equal(
    blocks("json[^\\n]*").length,
    blocks("json client").length + blocks("json server").length,
  );
});

Deno.test("document: the sequences are made of messages that fit, and every reply has its request", () => {
  const sequences = blocks("sequence");
  assert.ok(sequences.length >= 3);
  for (const sequence of sequences) {
    const asked = new Set<string>();
    for (const line of sequence.trim().split("\n")) {
      const message = decodeText(line.slice(2));
      if (line.startsWith("C ")) {
        checkClient(message);
        asked.add(message.id);
      } else {
        assert.ok(line.startsWith("S "), line);
        checkServer(message);
        if (message.re !== undefined) assert.ok(asked.has(message.re), line);
      }
    }
  }
});

Deno.test("document: the bytes are a lane and a message", () => {
  const [block] = blocks("bytes");
  const bytes = Uint8Array.fromHex(block!.replaceAll(/\s/g, ""));
  assert.equal(readVarint(bytes, 0), 0);
  const scan = scanFrame(bytes, 1, bytes.length, 100);
  assert.ok(scan.kind === "frame" && scan.end === bytes.length);
  checkClient(decodeFrame(bytes.subarray(scan.start, scan.end)).message);
});

Deno.test("document: every example of an error carries the numbers of its row", () => {
  const errors = blocks("json server").map(decodeText).filter(({ type }) => type === "error");
  assert.ok(errors.length > 0);
  for (const { payload } of errors) {
    const row = ERRORS[payload.name as ErrorName];
    assert.deepEqual([payload.code, payload.temporary], [row.code, row.temporary]);
  }
});

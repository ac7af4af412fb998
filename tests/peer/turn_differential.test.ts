/** Our STUN and TURN messages beside those of another implementation: each reads what the other has written. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  addressAttribute,
  numberAttribute,
  numberOf,
  textAttribute,
  textOf,
  xorAddress,
} from "../../src/peer/stun/attributes.ts";
import { encodeProtected, hasFingerprint, hasIntegrity, longTermKey } from "../../src/peer/stun/integrity.ts";
import { ATTRIBUTE, attributeOf, decodeStun } from "../../src/peer/stun/message.ts";
import { makeIntegrityKey, Message, parseMessage } from "../packages/werift_ice.ts";

const METHODS = [["binding", 1], ["allocate", 3], ["refresh", 4], ["createPermission", 8], [
  "channelBind",
  9,
]] as const;
const CLASSES = [["request", 0], ["success", 0x100]] as const;

const octet = () => fc.integer({ min: 0, max: 255 });
const content = () =>
  fc.record({
    method: fc.constantFrom(...METHODS),
    kind: fc.constantFrom(...CLASSES),
    id: fc.uint8Array({ minLength: 12, maxLength: 12 }),
    key: fc.uint8Array({ minLength: 1, maxLength: 64 }),
    username: fc.string({ unit: "binary", minLength: 1, maxLength: 60 }),
    lifetime: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    data: fc.uint8Array({ maxLength: 300 }),
    hostname: fc.tuple(octet(), octet(), octet(), octet()).map((bytes) => bytes.join(".")),
    port: fc.integer({ min: 1, max: 65_535 }),
  });

Deno.test("turn differential: the other implementation reads what we write", () => {
  fc.assert(fc.property(content(), ({ method, kind, id, key, username, lifetime, data, hostname, port }) => {
    const bytes = encodeProtected({
      class: kind[0],
      method: method[0],
      transactionId: id,
      attributes: [
        textAttribute(ATTRIBUTE.username, username),
        numberAttribute(ATTRIBUTE.lifetime, lifetime),
        addressAttribute(ATTRIBUTE.xorPeerAddress, { hostname, port }, id),
        { type: ATTRIBUTE.data, value: data },
      ],
    }, key);
    const read = parseMessage(Buffer.from(bytes), Buffer.from(key));
    assert.ok(read, "not a message there");
    assert.equal(read.messageMethod, method[1]);
    assert.equal(read.messageClass, kind[1]);
    assert.deepEqual(new Uint8Array(read.transactionId), id);
    const attributes = new Map(read.attributes);
    assert.equal(attributes.get("USERNAME"), username);
    assert.equal(attributes.get("LIFETIME"), lifetime);
    assert.deepEqual(attributes.get("XOR-PEER-ADDRESS"), [hostname, port]);
    assert.deepEqual(new Uint8Array(attributes.get("DATA") as Buffer), data);
  }));
});

Deno.test("turn differential: we read what the other implementation writes", () => {
  fc.assert(fc.property(content(), ({ method, kind, id, key, username, lifetime, data, hostname, port }) => {
    const message = new Message(method[1], kind[1], Buffer.from(id));
    message.setAttribute("USERNAME", username);
    message.setAttribute("LIFETIME", lifetime);
    message.setAttribute("XOR-RELAYED-ADDRESS", [hostname, port]);
    message.setAttribute("DATA", Buffer.from(data));
    message.addMessageIntegrity(Buffer.from(key));
    message.addFingerprint();
    const read = decodeStun(new Uint8Array(message.bytes));
    assert.ok(read, "not a message here");
    assert.equal(read.method, method[0]);
    assert.equal(read.class, kind[0]);
    assert.ok(hasFingerprint(read));
    assert.ok(hasIntegrity(read, key));
    assert.equal(textOf(read, ATTRIBUTE.username), username);
    assert.equal(numberOf(read, ATTRIBUTE.lifetime), lifetime);
    assert.deepEqual(xorAddress(read, ATTRIBUTE.xorRelayedAddress), { hostname, port });
    assert.deepEqual(attributeOf(read, ATTRIBUTE.data)?.slice(), data);
  }));
});

Deno.test("turn differential: the long-term key is the same", () => {
  const text = () => fc.string({ minLength: 1, maxLength: 40 });
  fc.assert(fc.property(text(), text(), text(), (username, realm, password) => {
    const ours = longTermKey(username, realm, password);
    assert.deepEqual(ours.slice(), new Uint8Array(makeIntegrityKey(username, realm, password)));
  }));
});

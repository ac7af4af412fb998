/** The STUN codec: the vectors of RFC 5769, and what hostile bytes get. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { type Address, addressBytes, addressText, scopeOf } from "../../src/peer/address.ts";
import {
  addressAttribute,
  errorOf,
  mappedAddress,
  numberOf,
  textOf,
  xorAddress,
} from "../../src/peer/stun/attributes.ts";
import {
  encodeProtected,
  hasFingerprint,
  hasIntegrity,
  longTermKey,
  shortTermKey,
} from "../../src/peer/stun/integrity.ts";
import { ATTRIBUTE, decodeStun, encodeStun, type StunMessage } from "../../src/peer/stun/message.ts";

const hex = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.fromHex(text.replace(/\s+/g, ""));

/** RFC 5769 §2.1. */
const REQUEST = hex(`
  000100582112a442b7e7a701bc34d686fa87dfae 802200105354554e207465737420636c69656e74
  002400046e0001ff 80290008932ff9b151263b36 000600096576746a3a68367659202020
  000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004e57a3bcf`);
/** RFC 5769 §2.2. */
const RESPONSE_V4 = hex(`
  0101003c2112a442b7e7a701bc34d686fa87dfae 8022000b7465737420766563746f7220
  002000080001a147e112a643 000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004c07d4c96`);
/** RFC 5769 §2.3. */
const RESPONSE_V6 = hex(`
  010100482112a442b7e7a701bc34d686fa87dfae 8022000b7465737420766563746f7220
  002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9 00080014a382954e4be67bf11784c97c8292c275bfe3ed41
  80280004c8fb0b4c`);
/** RFC 5769 §2.4. */
const LONG_TERM = hex(`
  000100602112a44278ad3433c6ad72c029da412e 00060012e3839ee38388e383aae38383e382afe382b90000
  0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473 41
  0014000b6578616d706c652e6f726700 00080014f67024656dd64a3e02b8e0712e85c9a28ca89666`);
const PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt";

Deno.test("stun: the request of RFC 5769 is read, and its checks hold", () => {
  const message = decodeStun(REQUEST)!;
  assert.equal(message.class, "request");
  assert.equal(message.method, "binding");
  assert.equal(textOf(message, ATTRIBUTE.username), "evtj:h6vY");
  assert.equal(numberOf(message, ATTRIBUTE.priority), 0x6e0001ff);
  assert.ok(hasIntegrity(message, shortTermKey(PASSWORD)));
  assert.ok(hasFingerprint(message));
  assert.ok(!hasIntegrity(message, shortTermKey("another")));
});

Deno.test("stun: the responses of RFC 5769 give the addresses, over IPv4 and IPv6", () => {
  const addresses = [RESPONSE_V4, RESPONSE_V6].map((bytes) => {
    const message = decodeStun(bytes)!;
    assert.ok(hasIntegrity(message, shortTermKey(PASSWORD)) && hasFingerprint(message));
    return mappedAddress(message);
  });
  assert.deepEqual(addresses, [
    { hostname: "192.0.2.1", port: 32853 },
    { hostname: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853 },
  ]);
});

Deno.test("stun: the long-term credential of RFC 5769 holds", () => {
  const message = decodeStun(LONG_TERM)!;
  const key = longTermKey("マトリックス", "example.org", "TheMatrIX");
  assert.ok(hasIntegrity(message, key));
  assert.ok(!hasFingerprint(message));
});

Deno.test("stun: one changed bit anywhere breaks a check or the message", () => {
  for (let bit = 0; bit < REQUEST.length * 8; bit++) {
    const bytes = REQUEST.slice();
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    const message = decodeStun(bytes);
    assert.ok(message === undefined || !hasFingerprint(message), `bit ${bit}`);
  }
});

const ADDRESS: fc.Arbitrary<Address> = fc.record({
  hostname: fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  ).map(addressText),
  port: fc.integer({ min: 0, max: 65535 }),
}, { noNullPrototype: true });
const ID = fc.uint8Array({ minLength: 12, maxLength: 12 });

Deno.test("stun: what is written is read back, whatever it holds", () => {
  const attributes = fc.array(
    fc.record({ type: fc.integer({ min: 0, max: 0xffff }), value: fc.uint8Array({ maxLength: 60 }) }, {
      noNullPrototype: true,
    }),
    { maxLength: 8 },
  );
  const message = fc.record({
    class: fc.constantFrom<StunMessage["class"]>("request", "indication", "success", "error"),
    method: fc.constantFrom<StunMessage["method"]>(
      "binding",
      "allocate",
      "refresh",
      "send",
      "data",
      "createPermission",
      "channelBind",
    ),
    transactionId: ID,
    attributes,
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(message, (written) => {
      const { class: kind, method, transactionId, attributes } = decodeStun(encodeStun(written))!;
      assert.deepEqual({ class: kind, method, transactionId, attributes }, written);
    }),
    { numRuns: 300 },
  );
});

Deno.test("stun: addresses are read back, and their text is the shortest", () => {
  fc.assert(
    fc.property(ADDRESS, ID, (address, transactionId) => {
      const attributes = [addressAttribute(ATTRIBUTE.xorPeerAddress, address, transactionId)];
      const bytes = encodeProtected({ class: "indication", method: "send", transactionId, attributes });
      assert.deepEqual(xorAddress(decodeStun(bytes)!, ATTRIBUTE.xorPeerAddress), address);
      assert.deepEqual(addressText(addressBytes(address.hostname)), address.hostname);
    }),
    { numRuns: 300 },
  );
  assert.equal(addressText(addressBytes("2001:0db8:0:0:1:0:0:1")), "2001:db8::1:0:0:1");
  assert.equal(addressText(addressBytes("::ffff:192.0.2.1")), "::ffff:c000:201");
});

Deno.test("stun: hostile bytes are no message, and throw nothing", () => {
  const started = fc.tuple(fc.nat(2 ** 14 - 1), fc.uint8Array({ maxLength: 200 })).map(([type, rest]) => {
    const bytes = new Uint8Array(20 + rest.length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, type);
    view.setUint16(2, rest.length);
    view.setUint32(4, 0x2112a442);
    bytes.set(rest, 20);
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), started), (bytes) => {
      const message = decodeStun(bytes);
      if (message === undefined) return;
      hasFingerprint(message);
      hasIntegrity(message, shortTermKey("x"));
      mappedAddress(message);
      errorOf(message);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("peer addresses: each scope is told from the others", () => {
  const scopes = {
    "127.0.0.1": "loopback",
    "::1": "loopback",
    "169.254.1.1": "link",
    "fe80::1": "link",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "172.32.0.1": "global",
    "192.168.1.1": "private",
    "100.64.0.1": "private",
    "fd00::1": "private",
    "203.0.113.1": "global",
    "2001:db8::1": "global",
  };
  for (const [address, scope] of Object.entries(scopes)) assert.equal(scopeOf(address), scope, address);
  for (
    const bad of [
      "1.2.3",
      "1.2.3.256",
      "a",
      "1::2::3",
      ":::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "12345::",
    ]
  ) {
    assert.throws(() => addressBytes(bad), TypeError, bad);
  }
});

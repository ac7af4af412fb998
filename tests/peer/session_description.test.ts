/** What browsers say to each other in place of session descriptions. */

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  readCandidate,
  readDescription,
  writeCandidate,
  writeDescription,
} from "../../src/client/peers/session_description.ts";
import { encodeBase64Url } from "../../src/peer/browser.ts";

const text = (min: number, max: number) => fc.stringMatching(new RegExp(`^[A-Za-z0-9_-]{${min},${max}}$`));
const certificate = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) =>
  encodeBase64Url(new Uint8Array(bytes))
);
const address = fc.record({
  hostname: fc.oneof(fc.ipV4(), fc.ipV6(), fc.uuid().map((id) => `${id}.local`)),
  port: fc.integer({ min: 1, max: 65_535 }),
}, { noNullPrototype: true });
const candidate = fc.record({
  kind: fc.constantFrom("host" as const, "reflexive" as const, "relayed" as const),
  address,
}, { noNullPrototype: true });

/** Validates: the fields that a peer signs are those that its browser uses. */
Deno.test("Feature: quic-transport, Property 302: a session description is read back from its fields, in lines that no field can break", () => {
  fc.assert(
    fc.property(
      fc.record({ fragment: text(4, 64), password: text(22, 128), certificate }, { noNullPrototype: true }),
      fc.constantFrom("actpass", "active"),
      (fields, setup) => {
        const sdp = writeDescription(fields, setup);
        assert.deepEqual(readDescription(sdp), fields);
        assert.equal(sdp.split("\r\n").length, 16);
        assert.ok(sdp.includes(`a=setup:${setup}\r\n`));
      },
    ),
    { numRuns: 300 },
  );
});

/** Validates: addresses of peers reach the browser as they were told, and nothing else does. */
Deno.test("Feature: quic-transport, Property 303: a candidate is read back, and what is no address becomes none", () => {
  fc.assert(
    fc.property(candidate, (told) => {
      assert.deepEqual(readCandidate(writeCandidate(told)!), told);
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.string(), (hostname) => {
      const line = writeCandidate({ kind: "host", address: { hostname, port: 1 } });
      assert.ok(line === undefined || /^candidate:126 1 udp \d+ [0-9a-fA-F:.%a-z-]+ 1 typ host$/.test(line));
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("session description: what browsers write is read, in their forms", () => {
  const sdp = (fields: string): string => `v=0\r\n${fields}a=setup:actpass\r\n`;
  const hex = Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, "0")).join(":");
  const chromium = sdp(
    `a=ice-ufrag:a+b/\r\na=ice-pwd:x+/xxxxxxxxxxxxxxxxxxxxx\r\na=fingerprint:sha-256 ${hex}\r\n`,
  );
  assert.equal(readDescription(chromium).fragment, "a-b_");
  assert.throws(() => readDescription(sdp("a=ice-ufrag:abcd\r\n")), TypeError);
  const sha1 = sdp(`a=ice-ufrag:abcd\r\na=ice-pwd:x\r\na=fingerprint:sha-1 ${hex.slice(0, 59)}\r\n`);
  assert.throws(() => readDescription(sha1), TypeError);
  assert.deepEqual(
    readCandidate(
      "candidate:1 1 UDP 2122252543 192.0.2.2 40000 typ srflx raddr 10.0.0.1 rport 5 generation 0",
    ),
    { kind: "reflexive", address: { hostname: "192.0.2.2", port: 40_000 } },
  );
  for (
    const line of [
      "candidate:1 1 TCP 1518280447 192.0.2.2 9 typ host tcptype active",
      "candidate:1 2 UDP 2122252542 192.0.2.2 40001 typ host",
      "candidate:1 1 UDP 2122252543 example.org 40000 typ host",
      "candidate:1 1 UDP 2122252543 192.0.2.2 40000 typ toString",
      "",
    ]
  ) assert.equal(readCandidate(line), undefined, line);
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { isPublicAddress } from "../../src/net/addresses.ts";

const PUBLIC = [
  "1.1.1.1",
  "8.8.8.8",
  "172.15.255.255",
  "172.32.0.0",
  "100.63.0.1",
  "100.128.0.1",
  "11.0.0.0",
];
const PRIVATE = [
  ..."0.0.0.0 10.0.0.1 10.255.255.255 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1".split(
    " ",
  ),
  ..."172.31.255.255 192.0.0.8 192.168.1.1 198.18.0.1 198.19.255.255 224.0.0.1 240.0.0.1 255.255.255.255"
    .split(" "),
];

Deno.test("addresses: what is public and what is not, in IPv4", () => {
  for (const address of PUBLIC) assert.equal(isPublicAddress(address), true, address);
  for (const address of PRIVATE) assert.equal(isPublicAddress(address), false, address);
});

Deno.test("addresses: what is public and what is not, in IPv6", () => {
  for (const address of ["2606:4700::1111", "2a00:1450:4001:82a::200e", "2003::1", "64:ff9b::8.8.8.8"]) {
    assert.equal(isPublicAddress(address), true, address);
  }
  const inside = [
    ..."::1 :: fe80::1 fe80::1%eth0 fc00::1 fd12:3456::1 ff02::1 2001:db8::1 2001::1 3fff::1 64:ff9b::10.0.0.1"
      .split(" "),
    ..."::ffff:127.0.0.1 ::ffff:7f00:1 ::FFFF:10.1.2.3 2002:7f00:1::1 ::10.0.0.1 64:ff9b:1::1 100::1".split(
      " ",
    ),
    "0:0:0:0:0:ffff:c0a8:0101",
  ];
  for (const address of inside) assert.equal(isPublicAddress(address), false, address);
  assert.equal(isPublicAddress("::ffff:8.8.8.8"), true);
  assert.equal(isPublicAddress("2002:808:808::1"), true);
});

Deno.test("addresses: what is no address is not public", () => {
  for (
    const text of "example.org 1.1.1 1.1.1.1.1 01.1.1.1 256.1.1.1 0x7f.1 1::2::3 12345::1 [2003::1] 1:2:3"
      .split(" ")
  ) {
    assert.equal(isPublicAddress(text), false, text);
  }
  assert.equal(isPublicAddress(""), false);
});

/** Validates: an IPv4 address is judged alike however it is written within IPv6. */
Deno.test("Feature: quic-transport, Property 200: addresses (IPv4 is judged alike within IPv6)", () => {
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 10, 100, 127, 169, 172, 192, 198, 224, 254, 255));
  fc.assert(fc.property(fc.tuple(byte, byte, byte, byte), (bytes) => {
    const v4 = bytes.join(".");
    const expected = isPublicAddress(v4);
    const hex = (at: number) => (bytes[at]! * 256 + bytes[at + 1]!).toString(16);
    assert.equal(isPublicAddress(`::ffff:${v4}`), expected);
    assert.equal(isPublicAddress(`::ffff:${hex(0)}:${hex(2)}`), expected);
    assert.equal(isPublicAddress(`64:ff9b::${v4}`), expected);
    assert.equal(isPublicAddress(`2002:${hex(0)}:${hex(2)}::1`), expected);
  }));
});

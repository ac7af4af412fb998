/**
 * What the attributes of STUN and TURN messages hold.
 *
 * @module
 */

import { type Address, addressBytes, addressText, type Family, familyOf } from "../address.ts";
import { ATTRIBUTE, type Attribute, attributeOf, MAGIC_COOKIE, type StunMessage } from "./message.ts";

const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();
const FAMILY = { ipv4: 0x01, ipv6: 0x02 } as const;
/** UDP, as an IP protocol number: the only transport TURN relays here. */
const UDP = 17;

/** An attribute of text. */
export function textAttribute(type: number, text: string): Attribute {
  return { type, value: UTF8.encode(text) };
}

/** An attribute of a 32-bit number. */
export function numberAttribute(type: number, value: number): Attribute {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return { type, value: bytes };
}

/** An address XORed with the cookie and, for IPv6, the transaction id (RFC 8489 §14.2). */
export function addressAttribute(type: number, address: Address, transactionId: Uint8Array): Attribute {
  const family = familyOf(address.hostname);
  const ip = addressBytes(address.hostname);
  const value = new Uint8Array(4 + ip.length);
  value[1] = FAMILY[family];
  new DataView(value.buffer).setUint16(2, address.port ^ (MAGIC_COOKIE >>> 16));
  value.set(xored(ip, transactionId), 4);
  return { type, value };
}

/** Asks a TURN server for a relay of UDP (RFC 8656 §18.7). */
export function transportAttribute(): Attribute {
  return { type: ATTRIBUTE.requestedTransport, value: Uint8Array.of(UDP, 0, 0, 0) };
}

/** Asks a TURN server for an address of a family (RFC 8656 §18.6). */
export function familyAttribute(family: Family): Attribute {
  return { type: ATTRIBUTE.requestedAddressFamily, value: Uint8Array.of(FAMILY[family], 0, 0, 0) };
}

/** Asks a STUN server to answer from another address, port, or both (RFC 5780 §7.2). */
export function changeRequest(change: { ip: boolean; port: boolean }): Attribute {
  return numberAttribute(ATTRIBUTE.changeRequest, (change.ip ? 4 : 0) | (change.port ? 2 : 0));
}

/** An XORed address of a message. */
export function xorAddress(message: StunMessage, type: number): Address | undefined {
  const value = attributeOf(message, type);
  if (value === undefined || !isAddress(value)) return undefined;
  const port = ((value[2]! << 8) | value[3]!) ^ (MAGIC_COOKIE >>> 16);
  return { hostname: addressText(xored(value.subarray(4), message.transactionId)), port };
}

/** A plain address of a message: OTHER-ADDRESS, RESPONSE-ORIGIN, MAPPED-ADDRESS. */
export function plainAddressOf(message: StunMessage, type: number): Address | undefined {
  const value = attributeOf(message, type);
  if (value === undefined || !isAddress(value)) return undefined;
  return { hostname: addressText(value.subarray(4)), port: (value[2]! << 8) | value[3]! };
}

/** Where the server saw the request come from. Old servers say it without XOR. */
export function mappedAddress(message: StunMessage): Address | undefined {
  return xorAddress(message, ATTRIBUTE.xorMappedAddress) ?? plainAddressOf(message, ATTRIBUTE.mappedAddress);
}

/** An attribute of text. */
export function textOf(message: StunMessage, type: number): string | undefined {
  const value = attributeOf(message, type);
  return value && TEXT.decode(value);
}

/** An attribute of a 32-bit number. */
export function numberOf(message: StunMessage, type: number): number | undefined {
  const value = attributeOf(message, type);
  if (value?.length !== 4) return undefined;
  return new DataView(value.buffer, value.byteOffset).getUint32(0);
}

/** The code of an error response, 300 to 699, and its reason (RFC 8489 §14.8). */
export function errorOf(message: StunMessage): { code: number; reason: string } | undefined {
  const value = attributeOf(message, ATTRIBUTE.errorCode);
  if (value === undefined || value.length < 4) return undefined;
  return { code: (value[2]! & 0x07) * 100 + value[3]!, reason: TEXT.decode(value.subarray(4)) };
}

function isAddress(value: Uint8Array): boolean {
  return value[1] === FAMILY.ipv4 ? value.length === 8 : value[1] === FAMILY.ipv6 && value.length === 20;
}

function xored(ip: Uint8Array, transactionId: Uint8Array): Uint8Array<ArrayBuffer> {
  const mask = new Uint8Array(16);
  new DataView(mask.buffer).setUint32(0, MAGIC_COOKIE);
  mask.set(transactionId, 4);
  return Uint8Array.from(ip, (byte, i) => byte ^ mask[i]!);
}

/** Who the sender of a check wants to reach: the fragment before the colon (RFC 8445 §7.2.2). */
export function checkedFragment(request: StunMessage): string | undefined {
  return textOf(request, ATTRIBUTE.username)?.split(":")[0];
}

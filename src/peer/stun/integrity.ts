/**
 * What protects STUN messages: MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489 §14.5, §14.7).
 *
 * @module
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { crc32 } from "../../protocol/crc32.ts";
import {
  ATTRIBUTE,
  type Attribute,
  type DecodedMessage,
  encodeStun,
  HEADER_LENGTH,
  type StunMessage,
} from "./message.ts";

/** XORed into the checksum so that it differs from that of a protocol which uses CRC-32 too. */
const FINGERPRINT_XOR = 0x5354554e;
const HMAC_LENGTH = 20;

/** Writes a message with MESSAGE-INTEGRITY under `key`, when there is one, and FINGERPRINT. */
export function encodeProtected(message: StunMessage, key?: Uint8Array): Uint8Array<ArrayBuffer> {
  let { attributes } = message;
  const having = (type: number, value: Uint8Array): readonly Attribute[] => [...attributes, { type, value }];
  if (key !== undefined) {
    const draft = encodeStun({
      ...message,
      attributes: having(ATTRIBUTE.messageIntegrity, new Uint8Array(HMAC_LENGTH)),
    });
    const value = hmac(key, draft.subarray(0, -(HMAC_LENGTH + 4)));
    attributes = having(ATTRIBUTE.messageIntegrity, value);
  }
  const bytes = encodeStun({ ...message, attributes: having(ATTRIBUTE.fingerprint, new Uint8Array(4)) });
  new DataView(bytes.buffer).setUint32(bytes.length - 4, checksum(bytes.subarray(0, -8)));
  return bytes;
}

/** Whether the last attribute is a FINGERPRINT and right. */
export function hasFingerprint(message: DecodedMessage): boolean {
  const { attributes, bytes } = message;
  const last = attributes.at(-1);
  if (last?.type !== ATTRIBUTE.fingerprint || last.value.length !== 4) return false;
  const { value } = last;
  return new DataView(value.buffer, value.byteOffset).getUint32(0) === checksum(bytes.subarray(0, -8));
}

/**
 * Whether MESSAGE-INTEGRITY is there and right under `key`. Attributes behind it, FINGERPRINT excepted, are not
 * protected; nothing of this protocol reads any.
 */
export function hasIntegrity(message: DecodedMessage, key: Uint8Array): boolean {
  const index = message.attributes.findIndex(({ type }) => type === ATTRIBUTE.messageIntegrity);
  const value = message.attributes[index]?.value;
  if (value?.length !== HMAC_LENGTH) return false;
  const at = message.offsets[index]!;
  const covered = message.bytes.slice(0, at);
  // The length counts as if the message ended with this attribute.
  new DataView(covered.buffer).setUint16(2, at + 4 + HMAC_LENGTH - HEADER_LENGTH);
  return timingSafeEqual(hmac(key, covered), value);
}

/** The key of a short-term credential: ICE's passwords are ASCII, so SASLprep changes nothing. */
export function shortTermKey(password: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(password);
}

/** The key of a long-term credential (RFC 8489 §9.2.2). */
export function longTermKey(username: string, realm: string, password: string): Uint8Array {
  return new Uint8Array(createHash("md5").update(`${username}:${realm}:${password}`).digest());
}

function hmac(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha1", key).update(bytes).digest());
}

/** `covered` is everything before the FINGERPRINT attribute; the length in its header includes that attribute. */
function checksum(covered: Uint8Array): number {
  return (crc32(covered) ^ FINGERPRINT_XOR) >>> 0;
}

/**
 * STUN messages (RFC 8489 §5, §14): bytes in, a message out, and back. Pure. What attributes mean is in
 * `attributes.ts`, what protects them in `integrity.ts`.
 *
 * @module
 */

/** The fixed value of bytes 4 to 7 (RFC 8489 §5). */
export const MAGIC_COOKIE = 0x2112a442;
/** Bytes before the attributes. */
export const HEADER_LENGTH = 20;
/** Largest message read or written: more than one datagram never comes. */
const MAX_MESSAGE = 1500;
/** Most attributes of one message; real ones have about ten. */
const MAX_ATTRIBUTES = 64;

/** The class of a message. */
const CLASS = { request: 0x000, indication: 0x010, success: 0x100, error: 0x110 } as const;
/** A message class. */
export type StunClass = keyof typeof CLASS;

/** Methods: STUN's one and those of TURN (RFC 8656 §17). */
const METHOD = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
} as const;
/** A method. */
export type StunMethod = keyof typeof METHOD;

/** Attribute types: RFC 8489 §18.3, 8656 §18, 8445 §16.1, 5780 §9. */
export const ATTRIBUTE = {
  mappedAddress: 0x0001,
  changeRequest: 0x0003,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  channelNumber: 0x000c,
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedAddressFamily: 0x0017,
  requestedTransport: 0x0019,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  responsePort: 0x0027,
  software: 0x8022,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
  responseOrigin: 0x802b,
  otherAddress: 0x802c,
  /** Ours, without a value: the sender hears nothing of the peer by the path that it uses. Who does not know it may ignore it. */
  silence: 0xc05a,
} as const;

/** One attribute: its type and its value without padding. */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** A STUN message. */
export interface StunMessage {
  readonly class: StunClass;
  readonly method: StunMethod;
  /** 12 bytes; an answer has those of its request. */
  readonly transactionId: Uint8Array;
  /** In order. Of two of one type the first counts (RFC 8489 §14). */
  readonly attributes: readonly Attribute[];
}

/** Where a decoded attribute lies, for the checks that cover the bytes before it. */
export interface DecodedMessage extends StunMessage {
  /** The bytes it was read from. */
  readonly bytes: Uint8Array;
  /** Offset of the header of each attribute, in the order of `attributes`. */
  readonly offsets: readonly number[];
}

const CLASSES = new Map(Object.entries(CLASS).map(([name, bits]) => [bits as number, name as StunClass]));
const METHODS = new Map(Object.entries(METHOD).map(([name, bits]) => [bits as number, name as StunMethod]));

/**
 * Whether a datagram can be a STUN message: the two top bits, the cookie, and a length that fits exactly. QUIC's short
 * headers are random in their first byte (Deno greases the fixed bit), so the first byte alone says nothing.
 */
export function looksLikeStun(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_LENGTH && bytes[0]! < 0x40 &&
    bytes[4] === 0x21 && bytes[5] === 0x12 && bytes[6] === 0xa4 && bytes[7] === 0x42 &&
    ((bytes[2]! << 8) | bytes[3]!) === bytes.length - HEADER_LENGTH;
}

/** A new transaction id: 96 random bits. */
export function transactionId(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(12));
}

/** Reads a message; `undefined` for anything else. Values are views of `bytes`. */
export function decodeStun(bytes: Uint8Array): DecodedMessage | undefined {
  if (!looksLikeStun(bytes)) return undefined;
  const type = (bytes[0]! << 8) | bytes[1]!;
  const kind = CLASSES.get(type & 0x0110);
  // The bits of the method stand around the two of the class (RFC 8489 §5).
  const method = METHODS.get((type & 0x000f) | ((type & 0x00e0) >> 1) | ((type & 0x3e00) >> 2));
  if (kind === undefined || method === undefined) return undefined;
  const attributes: Attribute[] = [], offsets: number[] = [];
  let at = HEADER_LENGTH;
  while (at < bytes.length) {
    if (at + 4 > bytes.length || attributes.length === MAX_ATTRIBUTES) return undefined;
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const end = at + 4 + length;
    if (end > bytes.length) return undefined;
    attributes.push({ type: (bytes[at]! << 8) | bytes[at + 1]!, value: bytes.subarray(at + 4, end) });
    offsets.push(at);
    at = at + 4 + padded(length);
  }
  if (at !== bytes.length) return undefined;
  return { class: kind, method, transactionId: bytes.subarray(8, 20), attributes, bytes, offsets };
}

/** Writes a message. Throws RangeError when it is larger than `MAX_MESSAGE`. */
export function encodeStun(message: StunMessage): Uint8Array<ArrayBuffer> {
  const length = message.attributes.reduce((sum, { value }) => sum + 4 + padded(value.length), 0);
  const size = HEADER_LENGTH + length;
  if (size > MAX_MESSAGE) throw new RangeError(`a STUN message of ${size} bytes, at most ${MAX_MESSAGE}`);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const method = METHOD[message.method];
  const bits = (method & 0x0f) | ((method & 0x70) << 1) | ((method & 0xf80) << 2);
  view.setUint16(0, bits | CLASS[message.class]);
  view.setUint16(2, length);
  view.setUint32(4, MAGIC_COOKIE);
  bytes.set(message.transactionId, 8);
  let at = HEADER_LENGTH;
  for (const { type, value } of message.attributes) {
    view.setUint16(at, type);
    view.setUint16(at + 2, value.length);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  return bytes;
}

/** The value of the first attribute of a type. */
export function attributeOf({ attributes }: StunMessage, type: number): Uint8Array | undefined {
  return attributes.find((attribute) => attribute.type === type)?.value;
}

/** The length with the padding to 4 bytes. */
export function padded(length: number): number {
  return (length + 3) & ~3;
}

/**
 * HTTP/3 frames (RFC 9114 §7) and stream types, and an incremental reader for frames and capsules: both are a type, a
 * length and a payload.
 *
 * @module
 */

import { H3, Http3Error } from "./errors.ts";
import { encodeVarints, readVarint, varintSize, writeVarint } from "./varint.ts";

/** Frame types. */
export const FRAME = {
  DATA: 0x00,
  HEADERS: 0x01,
  CANCEL_PUSH: 0x03,
  SETTINGS: 0x04,
  PUSH_PROMISE: 0x05,
  GOAWAY: 0x07,
  MAX_PUSH_ID: 0x0d,
  /** First varint of a bidirectional WebTransport stream; not a frame elsewhere. */
  WEBTRANSPORT_STREAM: 0x41,
} as const;

/** Types of unidirectional streams. */
export const STREAM = {
  CONTROL: 0x00,
  PUSH: 0x01,
  QPACK_ENCODER: 0x02,
  QPACK_DECODER: 0x03,
  WEBTRANSPORT: 0x54,
} as const;

/** A frame with its payload. */
export function encodeFrame(type: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = varintSize(type) + varintSize(payload.length);
  const bytes = new Uint8Array(head + payload.length);
  writeVarint(bytes, writeVarint(bytes, 0, type), payload.length);
  bytes.set(payload, head);
  return bytes;
}

/** A GOAWAY frame: requests from stream `id` on are not processed. */
export function encodeGoaway(id: number): Uint8Array<ArrayBuffer> {
  return encodeFrame(FRAME.GOAWAY, encodeVarints(id));
}

/** Whether HTTP/2 owned this frame type: it must not come (RFC 9114 §7.2.8). */
export function isReservedFrame(type: number): boolean {
  return type === 0x02 || type === 0x06 || type === 0x08 || type === 0x09;
}

/** Throws Http3Error when a frame of this type may not be on a request stream. */
export function checkRequestFrame(type: number): void {
  if (
    type === FRAME.SETTINGS || type === FRAME.CANCEL_PUSH || type === FRAME.PUSH_PROMISE ||
    type === FRAME.GOAWAY ||
    type === FRAME.MAX_PUSH_ID || type === FRAME.WEBTRANSPORT_STREAM || isReservedFrame(type)
  ) throw new Http3Error(H3.FRAME_UNEXPECTED, `frame 0x${type.toString(16)} on a request stream`);
}

/** What a `TlvReader` hands out. */
export type Piece =
  /** A whole item that was asked to be collected. */
  | { readonly kind: "whole"; readonly type: number; readonly payload: Uint8Array }
  /** A part of an item that is passed on as it comes; `last` with its final part. */
  | { readonly kind: "part"; readonly type: number; readonly payload: Uint8Array; readonly last: boolean };

/** How an item is to be treated, decided when its type and length are known. */
export type Treatment = "collect" | "pass" | "skip";

/**
 * Reads type-length-payload items from bytes as they come. `decide` gets type and length before any payload is kept,
 * and may throw. Only collected payloads are copied and kept, so `decide` must bound their length.
 */
export class TlvReader {
  readonly #decide: (type: number, length: number) => Treatment;
  #head = new Uint8Array(16);
  #headLength = 0;
  #type = -1;
  #left = 0;
  #treatment: Treatment = "skip";
  #kept: Uint8Array | undefined;
  #keptLength = 0;

  constructor(decide: (type: number, length: number) => Treatment) {
    this.#decide = decide;
  }

  /** Whether the bytes so far end within an item. */
  get partial(): boolean {
    return this.#headLength > 0 || this.#type >= 0;
  }

  /** Takes `bytes`; the pieces it yields are valid until the next step. */
  *push(bytes: Uint8Array): Generator<Piece> {
    let at = 0;
    while (at < bytes.length || (this.#type >= 0 && this.#left === 0)) {
      if (this.#type < 0) {
        this.#head[this.#headLength++] = bytes[at++]!;
        this.#parseHead();
        continue;
      }
      const payload = bytes.subarray(at, at + Math.min(this.#left, bytes.length - at));
      at += payload.length;
      this.#left -= payload.length;
      const type = this.#type;
      const last = this.#left === 0;
      if (last) this.#type = -1;
      if (this.#treatment === "pass") {
        yield { kind: "part", type, payload, last };
      } else if (this.#treatment === "collect") {
        this.#kept!.set(payload, this.#keptLength);
        this.#keptLength += payload.length;
        if (last) {
          const whole = this.#kept!;
          this.#kept = undefined;
          yield { kind: "whole", type, payload: whole };
        }
      }
    }
  }

  #parseHead(): void {
    const type = readVarint(this.#head, 0, this.#headLength);
    if (type < 0) return;
    const length = readVarint(this.#head, 1 << (this.#head[0]! >> 6), this.#headLength);
    if (length < 0) return;
    this.#treatment = this.#decide(type, length);
    this.#type = type;
    this.#left = length;
    this.#headLength = 0;
    if (this.#treatment === "collect") {
      this.#kept = new Uint8Array(length);
      this.#keptLength = 0;
    }
  }
}

/**
 * Capsules (RFC 9297) on a WebTransport session's CONNECT stream.
 *
 * @module
 */

import { encodeFrame, type Treatment } from "./frames.ts";
import { H3, Http3Error } from "./errors.ts";

/** Capsule types. */
export const CAPSULE = {
  CLOSE_WEBTRANSPORT_SESSION: 0x2843,
  DRAIN_WEBTRANSPORT_SESSION: 0x78ae,
} as const;

/** Bytes of a close reason (draft-ietf-webtrans-http3 §5). Exported for tests. */
export const MAX_REASON_LENGTH = 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The close capsule. `code` is taken modulo 2^32; the reason is cut at 1024 bytes, at a character. */
export function encodeClose(code: number, reason: string): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(4 + MAX_REASON_LENGTH);
  new DataView(payload.buffer).setUint32(0, code);
  const { written } = encoder.encodeInto(reason, payload.subarray(4));
  return encodeFrame(CAPSULE.CLOSE_WEBTRANSPORT_SESSION, payload.subarray(0, 4 + written));
}

/** Decodes the payload of the close capsule. Throws Http3Error when it is too short. */
export function decodeClose(payload: Uint8Array): { code: number; reason: string } {
  if (payload.length < 4) throw new Http3Error(H3.MESSAGE_ERROR, "close capsule too short");
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return { code: view.getUint32(0), reason: decoder.decode(payload.subarray(4)) };
}

/** Which capsules matter: the close is collected, all others (DRAIN, grease, flow control) are skipped. */
export function treatCapsule(type: number, length: number): Treatment {
  if (type !== CAPSULE.CLOSE_WEBTRANSPORT_SESSION) return "skip";
  if (length > 4 + MAX_REASON_LENGTH) throw new Http3Error(H3.MESSAGE_ERROR, "close capsule too long");
  return "collect";
}

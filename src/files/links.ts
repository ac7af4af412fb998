/**
 * Signed links: what `?token=` of a file's URL holds. It says until when it holds and is bound to one file; who
 * has it may read the file until then.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { ProtocolError } from "../protocol/mod.ts";

/** Bytes of the signing key. */
const KEY_BYTES = 32;

/** The signing key that `secrets` keep; made the first time. */
export function linkKey(secrets: { secret(name: string, make: () => Uint8Array): Uint8Array }): Uint8Array {
  return secrets.secret("links", () => crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
}

/** The token of a link to `fileId` that holds until `expiresAt`, in whole seconds since the epoch. */
export function signLink(key: Uint8Array, fileId: string, expiresAt: number): string {
  return `${expiresAt.toString(36)}.${mac(key, fileId, expiresAt).toString("base64url")}`;
}

/**
 * Checks a link's token. Throws ProtocolError `invalid_token`, or `token_expired`; no error repeats a part of it.
 * `now` in milliseconds since the epoch.
 */
export function checkLink(key: Uint8Array, fileId: string, token: string, now: number): void {
  const [, time, given] = /^([0-9a-z]{1,9})\.([A-Za-z0-9_-]{43})$/.exec(token) ?? [];
  if (time === undefined || given === undefined) {
    throw new ProtocolError("invalid_token", "not a link's token");
  }
  const expiresAt = parseInt(time, 36);
  if (!timingSafeEqual(mac(key, fileId, expiresAt), Buffer.from(given, "base64url"))) {
    throw new ProtocolError("invalid_token", "not a link's token");
  }
  if (now >= expiresAt * 1000) throw new ProtocolError("token_expired", "the link has expired");
}

function mac(key: Uint8Array, fileId: string, expiresAt: number): Buffer {
  return createHmac("sha256", key).update(`skein file link\n${expiresAt}\n${fileId}`).digest();
}

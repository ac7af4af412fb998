/**
 * Signed links: the `?token=` of a file's URL. It is valid for one file until the time in it, for whoever has it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Values } from "../engine/contract.ts";
import { ProtocolError } from "../protocol/mod.ts";

/** Bytes of the signing key. */
const KEY_BYTES = 32;
/** Where the key is kept. */
const KEY = { name: "files.link_key" };
/** Attempts to make the key: the second one finds what another instance has made. More means that somebody removes it. */
const TRIES = 3;

/** The signing key of a store, made the first time: by one instance, whichever is first. */
export async function linkKey(values: Values): Promise<Uint8Array> {
  for (let tries = 0; tries < TRIES; tries++) {
    const known = await values.get(KEY);
    if (known?.data !== undefined) return known.data;
    const data = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
    if (await values.put(KEY, { data }, { revision: known?.revision ?? 0 }) !== undefined) return data;
  }
  throw new ProtocolError("not_available", "links cannot be signed now");
}

/** The token of a link to `fileId` that is valid until `expiresAt`, in whole seconds since the epoch. */
export function signLink(key: Uint8Array, fileId: string, expiresAt: number): string {
  return `${expiresAt.toString(36)}.${mac(key, fileId, expiresAt).toString("base64url")}`;
}

/**
 * Checks a link's token. Throws ProtocolError `invalid_token` or `token_expired`; no error text has a part of the token in
 * it. `now`: milliseconds since the epoch.
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

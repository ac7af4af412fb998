/**
 * The shape of a token (RFC 7515 §7.1, compact form), before anything is believed.
 *
 * @module
 */

import { ProtocolError } from "../protocol/mod.ts";
import type { Algorithm } from "./settings.ts";

/** Longest token, in characters; longer ones are refused before any work. */
export const MAX_TOKEN_LENGTH = 8192;
/** Longest header segment, in characters. */
const MAX_HEADER = 2048;

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const decoder = new TextDecoder("utf-8", { fatal: true });

/** What a token's header says about its signature. */
export interface TokenHeader {
  /** The header's word, as it stands there. */
  readonly alg: string;
  /** The algorithm it means, where it is one of ours. */
  readonly algorithm: Algorithm | undefined;
  readonly kid: string | undefined;
}

/** Checks a token's size before it is looked at. Throws ProtocolError `invalid_token`. */
export function checkSize(token: unknown): asserts token is string {
  if (typeof token !== "string" || token.length === 0) throw new ProtocolError("invalid_token", "no token");
  if (token.length > MAX_TOKEN_LENGTH) {
    throw new ProtocolError("invalid_token", `token above ${MAX_TOKEN_LENGTH} characters`);
  }
}

/** Reads the header. Throws ProtocolError `invalid_token`. */
export function readHeader(token: string): TokenHeader {
  if (!COMPACT.test(token)) throw new ProtocolError("invalid_token", "not a signed token in compact form");
  const segment = token.slice(0, token.indexOf("."));
  const header = segment.length > MAX_HEADER ? undefined : decodeObject(segment);
  if (!header) throw new ProtocolError("invalid_token", "the token's header cannot be read");
  const { alg, kid } = header;
  if (typeof alg !== "string") {
    throw new ProtocolError("invalid_token", "the token's header names no algorithm");
  }
  if (kid !== undefined && (typeof kid !== "string" || kid.length > 256)) {
    throw new ProtocolError("invalid_token", "the token's key id cannot be read");
  }
  // RFC 7515 §4.1.11: a token with a critical header that is not understood is refused. None are understood here.
  if (header.crit !== undefined || header.b64 !== undefined) {
    throw new ProtocolError("invalid_token", "the token uses extensions that are not supported");
  }
  return { alg, algorithm: algorithmOf(alg), kid };
}

/** The payload, unverified: for explaining a token only. `undefined` when it cannot be read. */
export function peekPayload(token: string): Record<string, unknown> | undefined {
  return decodeObject(token.split(".")[1] ?? "");
}

/** JSON of verified payload bytes; `undefined` when it is none. */
export function parsePayload(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
}

/** The algorithm a name means. Everything else, `none` above all, is none of ours. */
export function algorithmOf(name: unknown): Algorithm | undefined {
  switch (name) {
    case "HS256":
    case "RS256":
    case "ES256":
    case "EdDSA":
      return name;
    case "Ed25519":
      return "EdDSA";
    default:
      return undefined;
  }
}

function decodeObject(segment: string): Record<string, unknown> | undefined {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(segment, { alphabet: "base64url" });
  } catch {
    return undefined;
  }
  const value = parsePayload(bytes);
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : undefined;
}

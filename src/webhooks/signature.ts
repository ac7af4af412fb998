/**
 * Signatures of requests: Standard Webhooks, version 1, symmetric.
 *
 * @module
 */

import { createHmac } from "node:crypto";

const PREFIX = "whsec_";
/** Bytes that a secret may have, as the specification says. */
const LEAST = 24, MOST = 64;

/** The bytes of a secret; undefined when it is none: `whsec_` and 24 to 64 bytes in base64. */
export function readSecret(secret: string): Uint8Array | undefined {
  if (!secret.startsWith(PREFIX)) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(secret.slice(PREFIX.length));
    return bytes.length >= LEAST && bytes.length <= MOST ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** What is signed, and with which keys. */
export interface Signing {
  /** From `readSecret`. */
  readonly keys: readonly Uint8Array[];
  /** `webhook-id`: no dots in it, which separate what is signed. */
  readonly id: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  readonly body: string;
}

/** The headers of a signed request: one signature for each key. */
export function signatureHeaders({ keys, id, timestamp, body }: Signing): Record<string, string> {
  const signatures = keys.map((key) =>
    `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`
  );
  return {
    "webhook-id": id,
    "webhook-timestamp": `${timestamp}`,
    "webhook-signature": signatures.join(" "),
  };
}

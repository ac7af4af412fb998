/** Keys and times for the tests of `src/auth/`. */

import { exportPKCS8, exportSPKI, generateKeyPair } from "jose";
import { ProtocolError } from "../../src/protocol/mod.ts";
import type { PublicAlgorithm } from "../../src/auth/mod.ts";

export const SECRET = "a secret of more than thirty-two bytes, for tests only";
export const OTHER_SECRET = "another secret of more than thirty-two bytes, for tests";
/** 2026-01-01T00:00:00Z */
export const NOW = 1_767_225_600_000;

export interface PemPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** A new key pair in PEM. */
export async function pemPair(alg: PublicAlgorithm): Promise<PemPair> {
  const pair = await generateKeyPair(alg, { extractable: true });
  return { privateKey: await exportPKCS8(pair.privateKey), publicKey: await exportSPKI(pair.publicKey) };
}

/** One key pair per algorithm, made once per test file. */
export const PAIRS: Readonly<Record<PublicAlgorithm, PemPair>> = {
  RS256: await pemPair("RS256"),
  ES256: await pemPair("ES256"),
  EdDSA: await pemPair("EdDSA"),
};

/** For `assert.rejects`: a ProtocolError of this name whose text fits `text`. */
export function refusal(error: string, text = /./): (thrown: unknown) => boolean {
  return (thrown) => {
    if (!(thrown instanceof ProtocolError)) throw thrown;
    if (thrown.error !== error || !text.test(thrown.message)) {
      throw new Error(`expected ${error} ${text}, got ${thrown.error}: ${thrown.message}`);
    }
    return true;
  };
}

/** A token in compact form from any header and payload, with any bytes as its signature. */
export function compact(
  header: unknown,
  payload: unknown,
  signature: Uint8Array = new Uint8Array(32),
): string {
  const part = (value: unknown) => base64url(new TextEncoder().encode(JSON.stringify(value)));
  return `${part(header)}.${part(payload)}.${base64url(signature)}`;
}

export function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

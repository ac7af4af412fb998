/**
 * The keys tokens are checked with: those of the configuration, and a remote set.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { compactVerify, importSPKI } from "jose";
import { ProtocolError } from "../protocol/mod.ts";
import type { RemoteKeys, VerifyingKey } from "./jwks.ts";
import { type KeySettings, publicKeyPem } from "./settings.ts";
import type { TokenHeader } from "./token.ts";

/** Most signature checks one token may cost in a remote set: a token without `kid` fits many keys. */
const MAX_TRIES = 8;

interface LocalKey {
  /** Identifies the key in comparisons; the key cannot be found out from it. */
  readonly id: string;
  readonly algorithm: KeySettings["alg"];
  readonly kid: string | undefined;
  readonly key: Promise<CryptoKey>;
}

/** A payload whose signature holds. */
export interface VerifiedPayload {
  readonly payload: Uint8Array;
  /** The generation of the remote set one of whose keys signed it; `undefined` for a configured key. */
  readonly generation: number | undefined;
  /** Which key signed it: what `KeyRing.has` knows. */
  readonly keyId: string;
}

/** All keys of one configuration. */
export class KeyRing {
  readonly remote: RemoteKeys | undefined;
  readonly #local: readonly LocalKey[];

  /** `keys` have been checked (`authProblems`); importing them ends in the background. */
  constructor(keys: readonly KeySettings[], remote: RemoteKeys | undefined) {
    this.remote = remote;
    this.#local = keys.map((key) => {
      const imported = importKey(key);
      // Reported where it is used; it must not end the process before that.
      imported.catch(() => {});
      return { id: idOf(key), algorithm: key.alg, kid: key.kid, key: imported };
    });
  }

  /** Whether the key of this id still counts. The keys of a remote set count together, by its address. */
  has(keyId: string): boolean {
    return keyId === this.#remoteId || this.#local.some(({ id }) => id === keyId);
  }

  get #remoteId(): string | undefined {
    return this.remote && `jwks ${this.remote.settings.url}`;
  }

  /**
   * Checks the signature with every key that fits the header. Throws ProtocolError `invalid_token`, or
   * `not_available` when the remote set cannot be had and no other key signed it.
   */
  async verify(token: string, header: TokenHeader): Promise<VerifiedPayload> {
    if (!header.algorithm) throw new ProtocolError("invalid_token", "the token's algorithm is not accepted");
    const local = this.#local.filter((key) =>
      key.algorithm === header.algorithm && fits(key.kid, header.kid)
    );
    for (const { id, key } of local) {
      const payload = await tryKey(token, header, key);
      if (payload) return { payload, generation: undefined, keyId: id };
    }
    let tried = local.length;
    const { remote } = this;
    if (remote && remote.settings.algorithms.some((algorithm) => algorithm === header.algorithm)) {
      const found: readonly VerifyingKey[] | "unavailable" = await remote.find(header);
      if (found === "unavailable") throw new ProtocolError("not_available", "the keys cannot be had now");
      const { generation } = remote;
      for (const { key } of found.slice(0, MAX_TRIES)) {
        const payload = await tryKey(token, header, key);
        if (payload) return { payload, generation, keyId: this.#remoteId! };
      }
      tried += found.length;
    }
    throw new ProtocolError(
      "invalid_token",
      tried > 0 ? "the token's signature does not hold" : "no key for this token",
    );
  }
}

function idOf(key: KeySettings): string {
  const material = key.alg === "HS256" ? key.secret : key.publicKey;
  return createHash("sha256").update(`${key.alg} ${key.kid ?? ""} ${material}`).digest("base64url");
}

function fits(own: string | undefined, asked: string | undefined): boolean {
  return own === undefined || asked === undefined || own === asked;
}

async function tryKey(
  token: string,
  header: TokenHeader,
  key: CryptoKey | Promise<CryptoKey>,
): Promise<Uint8Array | undefined> {
  try {
    return (await compactVerify(token, await key, { algorithms: [header.alg] })).payload;
  } catch {
    return undefined;
  }
}

/** Imports a configured key. Rejects when it is none. */
function importKey(key: KeySettings): Promise<CryptoKey> {
  if (key.alg === "HS256") {
    return crypto.subtle.importKey(
      "raw",
      new TextEncoder().encode(key.secret),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["verify"],
    );
  }
  return importSPKI(publicKeyPem(key.alg, key.publicKey), key.alg);
}

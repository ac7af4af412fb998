/**
 * Who a peer is: an Ed25519 key per device. The public key is the peer's id, so whoever has the id can check what the
 * peer has signed, and nobody in between - the service neither - can speak for it.
 *
 * @module
 */

import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { PeerError } from "./errors.ts";
import type { Introduction } from "./ports.ts";

/** A peer's id: its public key in base64url, 43 characters. */
export type PeerId = string;

const ALGORITHM = "Ed25519";
const PEER_ID = /^[A-Za-z0-9_-]{43}$/;
const UTF8 = new TextEncoder();
/** What signatures are for, so that one cannot be used as another. */
const PURPOSE = {
  announcement: "skein-peer/1 announce",
  introduction: "skein-peer/1 introduction",
  proof: "skein-peer/1 proof",
} as const;

/** Whether a text can be a peer's id. */
export function isPeerId(text: string): text is PeerId {
  return PEER_ID.test(text);
}

/** The key of this device. */
export class PeerIdentity {
  readonly id: PeerId;
  readonly #key: CryptoKey;

  private constructor(id: PeerId, key: CryptoKey) {
    this.id = id;
    this.#key = key;
  }

  /** Makes a key. */
  static async generate(): Promise<{ identity: PeerIdentity; pkcs8: Uint8Array<ArrayBuffer> }> {
    const pair = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as CryptoKeyPair;
    const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
    return { identity: await PeerIdentity.load(pkcs8), pkcs8 };
  }

  /** Reads a key that `generate` made. Rejects with TypeError when it is none. */
  static async load(pkcs8: Uint8Array<ArrayBuffer>): Promise<PeerIdentity> {
    let key: CryptoKey;
    try {
      key = await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, true, ["sign"]);
    } catch {
      // Without the cause: a parser's text could quote the key in a log.
      throw new TypeError("not an Ed25519 private key");
    }
    const { x } = await crypto.subtle.exportKey("jwk", key);
    const own = await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, false, ["sign"]);
    return new PeerIdentity(x!, own);
  }

  /** Takes a key that may be used and not read, such as one that a browser keeps. */
  static async fromKeyPair({ publicKey, privateKey }: CryptoKeyPair): Promise<PeerIdentity> {
    const id = encodeBase64Url(new Uint8Array(await crypto.subtle.exportKey("raw", publicKey)));
    return new PeerIdentity(id, privateKey);
  }

  /** Proves to the service that a session is this peer's. */
  announce(sessionId: string): Promise<string> {
    return this.#sign([PURPOSE.announcement, this.id, sessionId].join("\n"));
  }

  /** Signs how this peer can be reached, for `to` alone. `answers`: the challenge of the offer that is answered. */
  async introduce<T extends Omit<Introduction, "signature">>(
    to: PeerId,
    introduction: T,
    answers = "",
  ): Promise<T & { signature: string }> {
    const signature = await this.#sign(introductionText(this.id, to, introduction, answers));
    return { ...introduction, signature };
  }

  /** Proves to the peer `to`, which listens with `certificate`, that this peer is there now. */
  prove(to: PeerId, certificate: string, challenge: string): Promise<string> {
    return this.#sign(proofText(this.id, to, certificate, challenge));
  }

  async #sign(text: string): Promise<string> {
    return encodeBase64Url(new Uint8Array(await crypto.subtle.sign(ALGORITHM, this.#key, UTF8.encode(text))));
  }
}

/** Rejects with PeerError `authentication_failed` unless `from` has signed it for `to`. */
export async function checkIntroduction(
  from: PeerId,
  to: PeerId,
  introduction: Introduction,
  answers = "",
): Promise<void> {
  await check(from, introduction.signature, introductionText(from, to, introduction, answers));
}

/** Rejects with PeerError `authentication_failed` unless `from` has proved itself to `to`. */
export async function checkProof(
  from: PeerId,
  to: PeerId,
  proof: { signature: string; certificate: string; challenge: string },
): Promise<void> {
  await check(from, proof.signature, proofText(from, to, proof.certificate, proof.challenge));
}

async function check(from: PeerId, signature: string, text: string): Promise<void> {
  let valid = false;
  try {
    const key = await crypto.subtle.importKey("raw", decodeBase64Url(from), ALGORITHM, false, ["verify"]);
    valid = await crypto.subtle.verify(ALGORITHM, key, decodeBase64Url(signature), UTF8.encode(text));
  } catch { /* Not a key or not base64url: nobody's signature. */ }
  if (!valid) throw new PeerError("authentication_failed");
}

// Candidates are not signed: they may be completed later, and a wrong one leads to a peer that cannot prove itself.
function introductionText(
  from: PeerId,
  to: PeerId,
  introduction: Omit<Introduction, "signature">,
  answers: string,
): string {
  const { connection, fragment, password, certificate, challenge, lane } = introduction;
  const lines = [
    PURPOSE.introduction,
    from,
    to,
    connection,
    fragment,
    password,
    certificate,
    challenge,
    answers,
  ];
  return [...lines, ...lane === undefined ? [] : [lane]].join("\n");
}

function proofText(from: PeerId, to: PeerId, certificate: string, challenge: string): string {
  return [PURPOSE.proof, from, to, certificate, challenge].join("\n");
}

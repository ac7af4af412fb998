/**
 * Keys of what is said in a group: one secret an epoch, of which each channel has its own key. Secrets of earlier epochs
 * are kept until nothing that was sealed with them is needed, and then forgotten: that is the forward secrecy of what
 * is kept in documents.
 *
 * @module
 */

import { SkeinError } from "../errors.ts";
import { ownCopy, sameBytes, utf8 } from "./encoding.ts";
import { type EpochSecret, TAG_LENGTH } from "./membership.ts";

/** First byte of what is sealed: another one than a `DocumentKey`'s. */
const VERSION = 2;
/** Bytes of an initialization vector (NIST SP 800-38D §8.2.2: random, 96 bits). */
const IV = 12;
const HEAD = 1 + 4 + TAG_LENGTH;
/** Epochs whose secrets are kept, however much of them is still needed: some years of daily renewals. */
const MAX_EPOCHS = 1000;

/** An epoch whose secret is known. */
export interface KnownEpoch extends EpochSecret {
  readonly epoch: number;
  /** When the group went on, in milliseconds since the epoch; undefined: it is the current one. */
  ended: number | undefined;
}

/** Which epoch something was sealed in. */
export interface SealedIn {
  readonly epoch: number;
  readonly tag: Uint8Array;
}

/** What `open` found. */
export type Opened =
  | { readonly data: Uint8Array }
  /** Sealed in an epoch that is not known here, in another epoch of the same number, or not what it should be. */
  | { readonly failure: "unknown_epoch" | "fork" | "broken"; readonly epoch: number };

/** The secrets of the epochs that this device was in. */
export class EpochKeys {
  readonly #epochs = new Map<number, KnownEpoch>();
  readonly #keys = new Map<string, Promise<CryptoKey>>();

  constructor(known: readonly KnownEpoch[] = []) {
    for (const epoch of known) this.#epochs.set(epoch.epoch, epoch);
  }

  /** All that is known, oldest first, for the storage. */
  known(): KnownEpoch[] {
    return [...this.#epochs.values()].sort((a, b) => a.epoch - b.epoch);
  }

  /** When an epoch ended, in milliseconds since the epoch; undefined: it has not, or is not known. */
  endedAt(epoch: number): number | undefined {
    return this.#epochs.get(epoch)?.ended;
  }

  /** A new epoch begins at `now`, and ends the one before. */
  begin(epoch: number, secret: EpochSecret, now: number): void {
    for (const before of this.#epochs.values()) before.ended ??= now;
    this.#epochs.set(epoch, { epoch, ...secret, ended: undefined });
    for (const oldest of this.known().slice(0, -MAX_EPOCHS)) this.#drop(oldest);
  }

  /** Forgets epochs below `floor` that ended before `since`. */
  forget(floor: number, since: number): void {
    for (const known of [...this.#epochs.values()]) {
      const { epoch, ended } = known;
      if (epoch < floor && ended !== undefined && ended < since) this.#drop(known);
    }
  }

  /** Forgets all of it. */
  clear(): void {
    for (const known of [...this.#epochs.values()]) this.#drop(known);
  }

  /** Seals `data` for a channel and kind in an epoch that is known. */
  async seal(epoch: number, kind: string, channel: string, data: Uint8Array): Promise<Uint8Array> {
    const { tag } = this.#epochs.get(epoch)!;
    const key = await this.#key(epoch, channel);
    const iv = crypto.getRandomValues(new Uint8Array(IV));
    const sealed = new Uint8Array(
      await crypto.subtle.encrypt(params(iv, kind, channel, epoch), key, ownCopy(data)),
    );
    const all = new Uint8Array(HEAD + IV + sealed.length);
    all[0] = VERSION;
    new DataView(all.buffer).setUint32(1, epoch);
    all.set(tag, 5);
    all.set(iv, HEAD);
    all.set(sealed, HEAD + IV);
    return all;
  }

  /** Opens what was sealed for this channel and kind. */
  async open(kind: string, channel: string, data: Uint8Array): Promise<Opened> {
    const { epoch, tag } = sealedIn(channel, data);
    const known = this.#epochs.get(epoch);
    if (known === undefined) return { failure: "unknown_epoch", epoch };
    if (!sameBytes(known.tag, tag)) return { failure: "fork", epoch };
    const iv = new Uint8Array(data.subarray(HEAD, HEAD + IV));
    try {
      const key = await this.#key(epoch, channel);
      const sealed = ownCopy(data.subarray(HEAD + IV));
      return {
        data: new Uint8Array(await crypto.subtle.decrypt(params(iv, kind, channel, epoch), key, sealed)),
      };
    } catch {
      return { failure: "broken", epoch };
    }
  }

  #drop({ epoch, content }: KnownEpoch): void {
    content.fill(0);
    this.#epochs.delete(epoch);
    for (const id of [...this.#keys.keys()]) if (id.startsWith(`${epoch} `)) this.#keys.delete(id);
  }

  #key(epoch: number, channel: string): Promise<CryptoKey> {
    const id = `${epoch} ${channel}`;
    let key = this.#keys.get(id);
    if (key === undefined) {
      this.#keys.set(id, key = keyOf(this.#epochs.get(epoch)!.content, channel));
    }
    return key;
  }
}

/** Which epoch something was sealed in. Throws SkeinError `bad_payload` when it was not sealed in a group. */
export function sealedIn(channel: string, data: Uint8Array): SealedIn {
  if (data[0] !== VERSION || data.length < HEAD + IV) {
    throw new SkeinError("bad_payload", `${channel}: what came is not encrypted for the group`);
  }
  const epoch = new DataView(data.buffer, data.byteOffset).getUint32(1);
  return { epoch, tag: data.subarray(5, HEAD) };
}

async function keyOf(content: Uint8Array, channel: string): Promise<CryptoKey> {
  const secret = await crypto.subtle.importKey("raw", ownCopy(content), "HKDF", false, ["deriveKey"]);
  const derivation = {
    name: "HKDF",
    hash: "SHA-256",
    salt: new Uint8Array(),
    info: utf8(`skein group ${channel}`),
  };
  return await crypto.subtle.deriveKey(derivation, secret, { name: "AES-GCM", length: 256 }, false, [
    "encrypt",
    "decrypt",
  ]);
}

function params(iv: Uint8Array<ArrayBuffer>, kind: string, channel: string, epoch: number): AesGcmParams {
  // What is sealed for one channel, purpose and epoch is no good in another.
  return { name: "AES-GCM", iv, additionalData: utf8(`skein ${kind} ${epoch} ${channel}`) };
}

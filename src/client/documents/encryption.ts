/**
 * End-to-end encryption of documents: AES-GCM with a key that only those who edit have. The server keeps and forwards
 * what it cannot read.
 *
 * @module
 */

import { SkeinError } from "../errors.ts";

/** What is sealed: one kind is not taken for another. */
export type SealedKind = "operation" | "snapshot" | "awareness";

/** Seals and opens what goes into a document. */
export interface Cipher {
  /** Seals `data` for this channel and kind. */
  seal(kind: SealedKind, channel: string, data: Uint8Array): Promise<Uint8Array>;
  /** Opens what was sealed. Rejects when it was not, for this channel and kind, with this key. */
  open(kind: SealedKind, channel: string, data: Uint8Array): Promise<Uint8Array>;
}

/** First byte of what is sealed. */
const VERSION = 1;
/** Bytes of an initialization vector (NIST SP 800-38D §8.2.2: random, 96 bits). */
const IV = 12;
const NAME = "AES-GCM";

/** A document's key: 256 bits for AES-GCM. It is never sent; whoever has it can read and write. */
export class DocumentKey implements Cipher {
  readonly #key: CryptoKey;

  private constructor(key: CryptoKey) {
    this.#key = key;
  }

  /** Makes a new key. */
  static async generate(): Promise<DocumentKey> {
    return new DocumentKey(
      await crypto.subtle.generateKey({ name: NAME, length: 256 }, true, ["encrypt", "decrypt"]),
    );
  }

  /** The key of a text that `toText` made. Rejects with `bad_argument` for any other. */
  static async fromText(text: string): Promise<DocumentKey> {
    const bytes = bytesOf(text);
    if (bytes?.length !== 32) throw new SkeinError("bad_argument", "a key is 43 characters of base64url");
    return new DocumentKey(await crypto.subtle.importKey("raw", bytes, NAME, true, ["encrypt", "decrypt"]));
  }

  /**
   * The key in the fragment of a page's address, which browsers do not send to servers: `#key=...`. Undefined when
   * there is none.
   */
  static async fromUrl(url: string | URL): Promise<DocumentKey | undefined> {
    const text = new URLSearchParams(new URL(url).hash.slice(1)).get("key");
    return text === null ? undefined : await DocumentKey.fromText(text);
  }

  /** The address with this key in its fragment, to be handed to those who may read. */
  async toUrl(url: string | URL): Promise<string> {
    const shared = new URL(url);
    const fragment = new URLSearchParams(shared.hash.slice(1));
    fragment.set("key", await this.toText());
    shared.hash = fragment.toString();
    return shared.href;
  }

  /** The key as 43 characters of base64url (RFC 4648 §5). */
  async toText(): Promise<string> {
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", this.#key));
    return btoa(String.fromCharCode(...raw)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  async seal(kind: SealedKind, channel: string, data: Uint8Array): Promise<Uint8Array> {
    const iv = crypto.getRandomValues(new Uint8Array(IV));
    const sealed = new Uint8Array(
      await crypto.subtle.encrypt(params(iv, kind, channel), this.#key, copyOf(data)),
    );
    const all = new Uint8Array(1 + IV + sealed.length);
    all[0] = VERSION;
    all.set(iv, 1);
    all.set(sealed, 1 + IV);
    return all;
  }

  async open(kind: SealedKind, channel: string, data: Uint8Array): Promise<Uint8Array> {
    if (data[0] !== VERSION) throw new SkeinError("bad_payload", `${channel}: what came is not encrypted`);
    const iv = new Uint8Array(data.subarray(1, 1 + IV));
    try {
      const opened = await crypto.subtle.decrypt(
        params(iv, kind, channel),
        this.#key,
        copyOf(data.subarray(1 + IV)),
      );
      return new Uint8Array(opened);
    } catch (cause) {
      throw new SkeinError("bad_payload", `${channel}: what came was sealed with another key`, { cause });
    }
  }
}

function params(iv: Uint8Array<ArrayBuffer>, kind: SealedKind, channel: string): AesGcmParams {
  // What is sealed for one document and purpose is no good in another.
  return { name: NAME, iv, additionalData: new TextEncoder().encode(`skein ${kind} ${channel}`) };
}

function copyOf(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return data.buffer instanceof ArrayBuffer ? data as Uint8Array<ArrayBuffer> : new Uint8Array(data);
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(
      atob(text.replaceAll("-", "+").replaceAll("_", "/")),
      (character) => character.charCodeAt(0),
    );
  } catch {
    return undefined;
  }
}

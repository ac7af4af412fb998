/**
 * Where a device keeps what it knows of its groups: secrets, so they belong to this device alone.
 *
 * @module
 */

import type { LineFile } from "../outbox/file.ts";
import { fromBase64Url, ownCopy, textOf, toBase64Url, utf8 } from "./encoding.ts";
import { keyPairOf } from "./identity.ts";

/** Keeps bytes by name. One `SkeinGroups` at a time uses it. */
export interface GroupStorage {
  /** Called first, once. Rejects with SkeinError `not_available` when somebody else uses it. */
  open?(): Promise<void>;
  /** The device's Ed25519 key, made at the first call. */
  keyPair(): Promise<CryptoKeyPair>;
  get(name: string): Promise<Uint8Array | undefined>;
  /** Puts all of them in place at once, or none; undefined removes. Resolves when they survive a crash. */
  put(values: Readonly<Record<string, Uint8Array | undefined>>): Promise<void>;
  /** Gives it up. */
  close?(): Promise<void> | void;
}

/** Keeps everything in memory: the device is another one after a restart. */
export class MemoryGroupStorage implements GroupStorage {
  readonly values: Map<string, Uint8Array>;

  /** `values`: what another one had. */
  constructor(values: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.values = new Map(values);
  }

  keyPair(): Promise<CryptoKeyPair> {
    return storedKeyPair(this);
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.values.get(name));
  }

  put(values: Readonly<Record<string, Uint8Array | undefined>>): Promise<void> {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) this.values.delete(name);
      else this.values.set(name, value);
    }
    return Promise.resolve();
  }
}

/**
 * Keeps everything in a file that only its owner should read, `secretFile` of `@skein/client/native` on Deno. It is
 * written anew each time: what is forgotten must not stay in it.
 */
export function fileGroupStorage(file: Pick<LineFile, "read" | "replace">): GroupStorage {
  const memory = new MemoryGroupStorage();
  let last: Promise<unknown> = Promise.resolve();
  return {
    async open() {
      const text = await file.read();
      if (text === "") return;
      const kept = JSON.parse(text) as Record<string, string>;
      for (const [name, value] of Object.entries(kept)) {
        const bytes = fromBase64Url(value);
        if (bytes !== undefined) memory.values.set(name, bytes);
      }
    },
    keyPair() {
      return storedKeyPair(this);
    },
    get: (name) => memory.get(name),
    async put(values) {
      await memory.put(values);
      // One after the other: an older state must not replace a newer one.
      const written = last.then(() =>
        file.replace(
          JSON.stringify(
            Object.fromEntries([...memory.values].map(([name, value]) => [name, toBase64Url(value)])),
          ),
        )
      );
      last = written.catch(() => {});
      await written;
    },
  };
}

async function storedKeyPair(storage: GroupStorage): Promise<CryptoKeyPair> {
  const known = await storage.get("identity");
  if (known !== undefined) return await keyPairOf(known);
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]) as CryptoKeyPair;
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  await storage.put({ identity: pkcs8 });
  return await keyPairOf(pkcs8);
}

/** A JSON value of the storage; undefined when there is none. */
export async function readJson<T>(storage: GroupStorage, name: string): Promise<T | undefined> {
  const bytes = await storage.get(name);
  return bytes === undefined ? undefined : JSON.parse(textOf(bytes)) as T;
}

/** A JSON value for the storage. */
export function jsonBytes(value: unknown): Uint8Array {
  return ownCopy(utf8(JSON.stringify(value)));
}

/**
 * The storage of a browser: an IndexedDB in which the device's key cannot be exported and everything else is encrypted
 * with a key that cannot be exported either. Somebody who copies the files of the browser has the ciphertext; a script in
 * the page can use the keys while it runs, and not take them away.
 *
 * @module
 */

import { SkeinError } from "../errors.ts";
import { ownCopy, utf8 } from "./encoding.ts";
import type { GroupStorage } from "./storage.ts";
import { answer, written } from "../indexed_db.ts";

const VALUES = "values", KEYS = "keys";
const IV = 12;
/** Milliseconds a browser has to open the database: some never answer. */
const OPENING = 5000;

/**
 * Keeps everything in a database of the page's origin. One page at a time uses it. Use the user's id in the name where
 * users share a browser.
 *
 * @param name @default "skein-groups"
 */
export function indexedDbGroupStorage(name = "skein-groups"): GroupStorage {
  const abort = new AbortController();
  let opened: Promise<IDBDatabase> | undefined;
  let key: Promise<CryptoKey> | undefined;
  const database = (): Promise<IDBDatabase> => opened ??= openDatabase(name);
  /** What is kept under `id`; made and kept the first time. */
  const kept = async <T>(id: string, make: () => Promise<T>): Promise<T> => {
    const found = await answer((await database()).transaction(KEYS).objectStore(KEYS).get(id));
    if (found !== undefined) return found as T;
    const made = await make();
    const store = (await database()).transaction(KEYS, "readwrite", STRICT).objectStore(KEYS);
    store.put(made, id);
    await written(store);
    return made;
  };
  const storageKey = (): Promise<CryptoKey> =>
    key ??= kept(
      "storage",
      () => crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]),
    );
  return {
    async open() {
      if (!await hold(name, abort.signal)) {
        throw new SkeinError("not_available", "another page has these groups open", { temporary: true });
      }
    },
    keyPair: () =>
      kept(
        "identity",
        () => crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]) as Promise<CryptoKeyPair>,
      ),
    async get(id) {
      const sealed = await answer((await database()).transaction(VALUES).objectStore(VALUES).get(id));
      if (sealed === undefined) return undefined;
      const bytes = sealed as Uint8Array<ArrayBuffer>;
      const opened = await crypto.subtle.decrypt(
        params(bytes.subarray(0, IV), id),
        await storageKey(),
        bytes.subarray(IV),
      );
      return new Uint8Array(opened);
    },
    async put(values) {
      const sealed: [string, Uint8Array | undefined][] = [];
      for (const [id, value] of Object.entries(values)) {
        sealed.push([id, value === undefined ? undefined : await seal(await storageKey(), id, value)]);
      }
      const store = (await database()).transaction(VALUES, "readwrite", STRICT).objectStore(VALUES);
      for (const [id, value] of sealed) value === undefined ? store.delete(id) : store.put(value, id);
      await written(store);
    },
    close() {
      opened?.then((open) => open.close(), () => {});
      opened = undefined;
      abort.abort();
    },
  };
}

const STRICT: IDBTransactionOptions = { durability: "strict" };

async function seal(key: CryptoKey, id: string, value: Uint8Array): Promise<Uint8Array> {
  const iv = crypto.getRandomValues(new Uint8Array(IV));
  const sealed = await crypto.subtle.encrypt(params(iv, id), key, ownCopy(value));
  const all = new Uint8Array(IV + sealed.byteLength);
  all.set(iv);
  all.set(new Uint8Array(sealed), IV);
  return all;
}

function params(iv: Uint8Array<ArrayBuffer>, id: string): AesGcmParams {
  // One value must not be taken for another.
  return { name: "AES-GCM", iv, additionalData: utf8(id) };
}

function openDatabase(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    const late = setTimeout(
      () => reject(new SkeinError("storage", "the browser does not open its database")),
      OPENING,
    );
    request.onupgradeneeded = () => {
      request.result.createObjectStore(VALUES);
      request.result.createObjectStore(KEYS);
    };
    answer(request).then(resolve, reject).finally(() => clearTimeout(late));
  });
}

/** Holds a lock until `signal` is aborted; false: another page holds it. */
function hold(name: string, signal: AbortSignal): Promise<boolean> {
  const locks = (globalThis.navigator as Partial<Navigator> | undefined)?.locks;
  // Two pages that change the keys of one device at once would both lose: without locks it is not done.
  if (locks === undefined) return Promise.resolve(false);
  return new Promise((resolve, reject) => {
    locks.request(`${name} groups`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      if (lock === null) return;
      return new Promise<void>((release) => signal.addEventListener("abort", () => release()));
    }).catch(reject);
  });
}

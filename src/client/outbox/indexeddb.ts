/**
 * An outbox in the browser's IndexedDB, shared by the pages of an origin.
 *
 * @module
 */

import { settles } from "../../async/deadline.ts";
import { uuidv7 } from "../../protocol/core.ts";
import { isStored, type OutboxStorage, type StoredMessage } from "./storage.ts";
import { answer, written } from "../indexed_db.ts";

/** Milliseconds a browser has to open the database: some never answer. */
const OPENING = 5000;
/** Milliseconds within which a page that is being reloaded is gone. */
const RELOADING = 300;
const MESSAGES = "messages";

interface Kept {
  /** The page that sends it. */
  readonly owner: string;
  readonly message: StoredMessage;
}

/**
 * Keeps the outbox in a database of the page's origin. Pages that are open at the same time may share a `name`: each
 * sends what was published in it, and what a page leaves behind when it is closed is sent by another one. Web Locks
 * tell which pages are open; in browsers without them every page sends all that is kept, with the same ids. Use the
 * user's id in the name where users share a browser.
 *
 * @param name @default "skein-outbox"
 */
export function indexedDbOutbox(name = "skein-outbox"): OutboxStorage {
  const owner = uuidv7();
  const abort = new AbortController();
  let opened: Promise<IDBDatabase> | undefined;
  let held: Promise<void> | undefined;

  const lockOf = (page: string): string => `${name} ${page}`;
  // Before anything is read or written: whoever sees this page's messages sees that it is open.
  const hold = (): Promise<void> => held ??= holdLock(lockOf(owner), abort.signal);
  const forget = (): void => {
    opened?.then((database) => database.close(), () => {});
    opened = undefined;
  };
  const store = async (mode: IDBTransactionMode): Promise<IDBObjectStore> => {
    await hold();
    // Another page wants a newer version, or the browser took the database away: it is opened again when it is needed.
    const database = await (opened ??= openDatabase(name, forget).catch((error) => {
      opened = undefined;
      throw error;
    }));
    return database.transaction(MESSAGES, mode, { durability: "strict" }).objectStore(MESSAGES);
  };
  const all = async (store: IDBObjectStore): Promise<Kept[]> => await answer(store.getAll());
  /** Makes the messages of closed pages this page's own. */
  const takeOver = async (pages: ReadonlySet<string>): Promise<StoredMessage[]> => {
    const messages = await store("readwrite");
    const keys = await answer(messages.getAllKeys());
    const found: StoredMessage[] = [];
    for (const [i, kept] of (await all(messages)).entries()) {
      if (!pages.has(kept.owner) || !isStored(kept.message)) continue;
      messages.put({ ...kept, owner }, keys[i]);
      found.push(kept.message);
    }
    await written(messages);
    return found;
  };

  return {
    async load(later) {
      // First who has left something, then who is open: a page that is opened in between is not taken for a closed one.
      const pages = new Set((await all(await store("readonly"))).map((kept) => kept.owner));
      pages.delete(owner);
      const open = await heldLocks();
      const closing = [...pages].filter((page) => open.has(lockOf(page))).map(async (page) => {
        pages.delete(page);
        await webLocks()!.request(lockOf(page), { signal: abort.signal }, () => {});
        pages.add(page);
      });
      await settles(Promise.allSettled(closing), RELOADING);
      const found = await takeOver(pages);
      for (const closed of closing) {
        closed.then(() => takeOver(pages)).then((left) => left.length > 0 && later?.(left)).catch(() => {});
      }
      return found;
    },
    async add(added) {
      const messages = await store("readwrite");
      const ids = messages.index("id");
      // An attempt that failed late may have written some of them.
      for (const message of added) {
        if (await answer(ids.getKey(message.id)) === undefined) messages.add({ owner, message });
      }
      await written(messages);
    },
    async remove(removed) {
      const messages = await store("readwrite");
      const ids = messages.index("id");
      for (const id of removed) {
        const key = await answer(ids.getKey(id));
        if (key !== undefined) messages.delete(key);
      }
      await written(messages);
    },
    close() {
      forget();
      abort.abort();
    },
  };
}

function openDatabase(name: string, lost: () => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    const late = setTimeout(() => reject(new Error("the browser does not open its database")), OPENING);
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore(MESSAGES, { autoIncrement: true });
      store.createIndex("id", "message.id", { unique: true });
    };
    answer(request).then((database) => {
      database.onversionchange = database.onclose = lost;
      resolve(database);
    }, reject).finally(() => clearTimeout(late));
  });
}

/** Holds a lock until `signal` is aborted, or the page is gone. Resolves once it is held, or cannot be had. */
function holdLock(name: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const locks = webLocks();
    if (locks === undefined) return resolve();
    locks.request(name, () =>
      new Promise<void>((release) => {
        signal.addEventListener("abort", () => release());
        resolve();
      })).catch(() => resolve());
  });
}

/** Names of the locks that pages of this origin hold; none in browsers without Web Locks. */
async function heldLocks(): Promise<Set<string | undefined>> {
  const query = await webLocks()?.query().catch(() => undefined);
  return new Set(query?.held?.map((lock) => lock.name));
}

function webLocks(): LockManager | undefined {
  return (globalThis.navigator as Partial<Navigator> | undefined)?.locks;
}

/**
 * An outbox in the browser's IndexedDB.
 *
 * @module
 */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import { isStored, type OutboxStorage, type StoredMessage } from "./storage.ts";

interface Schema extends DBSchema {
  messages: { key: number; value: StoredMessage; indexes: { id: string } };
}

/**
 * Keeps the outbox in a database of the page's origin. Tabs that share a `name` share what is unsent: each sends it
 * after a reload, with the same ids, so it has one effect. Use the user's id in the name where users share a browser.
 *
 * @param name @default "skein-outbox"
 */
export function indexedDbOutbox(name = "skein-outbox"): OutboxStorage {
  let opened: Promise<IDBPDatabase<Schema>> | undefined;
  const open = (): Promise<IDBPDatabase<Schema>> => {
    if (opened !== undefined) return opened;
    const opening = openDB<Schema>(name, 1, {
      upgrade(database) {
        const store = database.createObjectStore("messages", { autoIncrement: true });
        store.createIndex("id", "id", { unique: true });
      },
      // Another tab wants a newer version, or the browser took the database away: open it again when it is needed.
      blocking: () => void forget(),
      terminated: () => void (opened = undefined),
    });
    opening.catch(() => opened = undefined);
    return opened = opening;
  };
  const forget = async (): Promise<void> => {
    const closing = opened;
    opened = undefined;
    (await closing?.catch(() => undefined))?.close();
  };
  return {
    async load() {
      const stored: unknown[] = await (await open()).getAll("messages");
      return stored.filter(isStored);
    },
    async add(messages) {
      const transaction = (await open()).transaction("messages", "readwrite", { durability: "strict" });
      const ids = transaction.store.index("id");
      // An attempt that failed late may have written some of them.
      for (const message of messages) {
        if (await ids.getKey(message.id) === undefined) await transaction.store.add(message);
      }
      await transaction.done;
    },
    async remove(ids) {
      const transaction = (await open()).transaction("messages", "readwrite");
      const index = transaction.store.index("id");
      for (const id of ids) {
        const key = await index.getKey(id);
        if (key !== undefined) await transaction.store.delete(key);
      }
      await transaction.done;
    },
    close: forget,
  };
}

/**
 * An outbox in a file of lines: one JSON value a line, additions and removals as they come, written anew when most of
 * it is out of date. A line cut off by a crash is ignored.
 *
 * @module
 */

import { isStored, type OutboxStorage, type StoredMessage } from "./storage.ts";

/** A file as the outbox needs it; `lineFile` of `native.ts` is one on Deno. */
export interface LineFile {
  /** All of it; "" when there is none. */
  read(): Promise<string>;
  /** Adds to its end; resolves when the text is on disk. */
  append(text: string): Promise<void>;
  /** Puts `text` in place of all of it, at once or not at all. */
  replace(text: string): Promise<void>;
}

/** Keeps the outbox in `file`; it is written anew when more than `slack` lines are out of date. */
export function fileOutbox(file: LineFile, slack = 1000): OutboxStorage {
  const kept = new Map<string, StoredMessage>();
  let stale = 0;
  const compact = async (): Promise<void> => {
    await file.replace([...kept.values()].map((message) => line({ add: message })).join(""));
    stale = 0;
  };
  return {
    async load() {
      kept.clear();
      const text = await file.read();
      for (const entry of text.split("\n")) {
        const { add, remove } = parse(entry);
        if (add !== undefined) kept.set(add.id, add);
        if (remove !== undefined) kept.delete(remove);
      }
      if (text !== "") await compact();
      return [...kept.values()];
    },
    async add(messages) {
      await file.append(messages.map((message) => line({ add: message })).join(""));
      for (const message of messages) kept.set(message.id, message);
    },
    async remove(ids) {
      const known = ids.filter((id) => kept.has(id));
      if (known.length === 0) return;
      await file.append(known.map((id) => line({ remove: id })).join(""));
      for (const id of known) kept.delete(id);
      stale += known.length * 2;
      if (stale > slack && stale > kept.size) await compact();
    },
  };
}

function line(entry: { add: StoredMessage } | { remove: string }): string {
  return JSON.stringify(entry) + "\n";
}

function parse(text: string): { add?: StoredMessage; remove?: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof value !== "object" || value === null) return {};
  const { add, remove } = value as Record<string, unknown>;
  if (typeof remove === "string") return { remove };
  return isStored(add) ? { add } : {};
}

/**
 * What worked last time, for each server and network, for a while.
 *
 * @module
 */

import type { Path } from "./paths.ts";

/** Where preferences are kept: `localStorage` fits. */
export interface PreferenceStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Options of a preference cache. */
export interface PreferenceOptions {
  /** Milliseconds a preference is believed. @default 3600000 */
  readonly expiry?: number;
  /** @default a map in memory */
  readonly storage?: PreferenceStorage;
}

const PATHS: readonly string[] = ["quic", "websocket"] satisfies Path[];

/** Remembers which path won. A storage that fails is as good as an empty one. */
export class PreferenceCache {
  readonly #expiry: number;
  readonly #storage: PreferenceStorage;

  constructor({ expiry = 3_600_000, storage = memoryStorage() }: PreferenceOptions = {}) {
    this.#expiry = expiry;
    this.#storage = storage;
  }

  /** What won last for `server` on `network`; undefined when nothing is known or it is too old. */
  get(server: string, network: string, now: number): Path | undefined {
    try {
      const text = this.#storage.getItem(keyOf(server, network));
      if (text === null) return undefined;
      const { path, at } = JSON.parse(text) as { path?: unknown; at?: unknown };
      // A time in the future is a clock that was set back: not to be believed either.
      const fresh = typeof at === "number" && at <= now && now - at < this.#expiry;
      if (fresh && typeof path === "string" && PATHS.includes(path)) return path as Path;
      this.#storage.removeItem(keyOf(server, network));
    } catch {
      // Not readable: nothing is known.
    }
    return undefined;
  }

  /** `path` won. */
  set(server: string, network: string, path: Path, now: number): void {
    try {
      this.#storage.setItem(keyOf(server, network), JSON.stringify({ path, at: now }));
    } catch {
      // Storage may be full or forbidden.
    }
  }

  /** Forgets what is known of `server` on `network`. */
  drop(server: string, network: string): void {
    try {
      this.#storage.removeItem(keyOf(server, network));
    } catch {
      // Nothing to forget.
    }
  }
}

/** Keeps preferences as long as the page or program lives. Exported for tests. */
export function memoryStorage(): PreferenceStorage {
  const map = new Map<string, string>();
  return {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
  };
}

function keyOf(server: string, network: string): string {
  return `skein.path ${server} ${network}`;
}

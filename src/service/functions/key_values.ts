/**
 * The small values of functions: values of the engine, and for each function a list of the names it uses, so that it cannot
 * fill the store.
 *
 * @module
 */

import type { Values } from "../../engine/contract.ts";
import { ProtocolError } from "../../protocol/mod.ts";

/** Names of one function. */
const MAX_NAMES = 1000;
/** Attempts to change the list while other nodes change it too. */
const ATTEMPTS = 20;

/** How a value is set. */
interface SetOptions {
  readonly ttl: number | undefined;
  readonly revision: number | undefined;
}

/** The values of all functions. */
export class KeyValues {
  readonly #values: Values;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  /** By function, the last change of its list: one at a time on this node. */
  readonly #changes = new Map<string, Promise<unknown>>();

  constructor(values: Values) {
    this.#values = values;
  }

  /** A value with its revision. */
  async get(owner: string, name: string): Promise<{ value: unknown; revision: number } | undefined> {
    const found = await this.#values.get(keyOf(owner, name));
    return found?.data === undefined
      ? undefined
      : { value: this.#read(found.data), revision: found.revision };
  }

  /** False: `revision` is not that of the value. Rejects with ProtocolError `limit_exceeded` beyond the names of a function. */
  async set(owner: string, name: string, value: unknown, { ttl, revision }: SetOptions): Promise<boolean> {
    const key = keyOf(owner, name);
    if (await this.#values.get(key) === undefined) {
      if (revision !== undefined && revision !== 0) return false;
      await this.#change(owner, (names) => this.#withName(owner, names, name));
    }
    const put = await this.#values.put(key, { data: this.#write(value) }, {
      ...ttl === undefined ? {} : { ttl },
      ...revision === undefined ? {} : { revision },
    });
    return put !== undefined;
  }

  /** False: there was none. */
  async delete(owner: string, name: string): Promise<boolean> {
    const deleted = await this.#values.delete(keyOf(owner, name));
    if (deleted) {
      await this.#change(
        owner,
        (names) => names.includes(name) ? names.filter((other) => other !== name) : undefined,
      );
    }
    return deleted;
  }

  /** The list with one more name; undefined: it is in it. */
  async #withName(owner: string, names: readonly string[], name: string): Promise<string[] | undefined> {
    if (names.includes(name)) return undefined;
    if (names.length < MAX_NAMES) return [...names, name];
    // Values with a time to live may have gone.
    const left: string[] = [];
    for (const other of names) {
      if (await this.#values.get(keyOf(owner, other)) !== undefined) left.push(other);
    }
    if (left.length < MAX_NAMES) return [...left, name];
    throw new ProtocolError("limit_exceeded", `a function keeps at most ${MAX_NAMES} values`);
  }

  #change(
    owner: string,
    make: (names: readonly string[]) => Promise<string[] | undefined> | string[] | undefined,
  ): Promise<void> {
    const change = (this.#changes.get(owner) ?? Promise.resolve()).then(() => this.#changeNow(owner, make));
    const over = change.catch(() => {});
    this.#changes.set(owner, over);
    void over.then(() => {
      if (this.#changes.get(owner) === over) this.#changes.delete(owner);
    });
    return change;
  }

  async #changeNow(
    owner: string,
    make: (names: readonly string[]) => Promise<string[] | undefined> | string[] | undefined,
  ): Promise<void> {
    const key = { name: `fn/${owner}/names` };
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = await this.#values.get(key);
      const names = found?.data === undefined ? [] : this.#read(found.data) as string[];
      const next = await make(names);
      if (next === undefined) return;
      const revision = found?.revision ?? 0;
      if (await this.#values.put(key, { data: this.#write(next) }, { revision }) !== undefined) return;
    }
    throw new ProtocolError("not_available", "other nodes change the values of this function all the time");
  }

  #read(data: Uint8Array): unknown {
    return JSON.parse(this.#decoder.decode(data));
  }

  #write(value: unknown): Uint8Array {
    return this.#encoder.encode(JSON.stringify(value));
  }
}

function keyOf(owner: string, name: string): { name: string } {
  return { name: `fn/${owner}/kv/${name}` };
}

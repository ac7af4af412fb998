/**
 * What handlers keep for one connection.
 *
 * @module
 */

import type { StateKey } from "./types.ts";

/** The states of one connection, by key. Holds no memory until the first one is made. */
export class ClientStates {
  #states: Map<StateKey<unknown>, unknown> | undefined;
  #ended = false;

  /** The state of `key`, made when there is none yet. After `end` a new one is released at once, and not kept. */
  get<T>(key: StateKey<T>): T {
    const known = this.#states?.get(key);
    if (known !== undefined) return known as T;
    const state = key.create();
    if (this.#ended) key.release?.(state);
    else (this.#states ??= new Map()).set(key as StateKey<unknown>, state);
    return state;
  }

  /** The connection has ended: releases every state once. A `release` that throws does not keep others from theirs. */
  end(failed: (error: unknown) => void): void {
    this.#ended = true;
    const states = this.#states;
    this.#states = undefined;
    if (states === undefined) return;
    for (const [key, state] of states) {
      try {
        key.release?.(state);
      } catch (error) {
        failed(error);
      }
    }
  }
}

/**
 * Checkpoints: something about a place in a channel, kept under a name, that only goes forward. A user's read position is
 * one, a document's snapshot, and that a receipt was given.
 *
 * @module
 */

import type { MaybePromise, Position, Values } from "../engine/contract.ts";
import { ProtocolError } from "../protocol/mod.ts";

/** Times that somebody else may be faster before it is given up. */
const ATTEMPTS = 32;

/** A kept checkpoint. */
export interface Checkpoint extends Position {
  /** @default none */
  readonly data?: Uint8Array;
}

/** Keeps checkpoints in the values of the engine. */
export class Checkpoints {
  readonly #values: Values;

  constructor(values: Values) {
    this.#values = values;
  }

  /** The checkpoint of that name. */
  get(channel: string, name: string): MaybePromise<Checkpoint | undefined> {
    const value = this.#values.get({ channel, name });
    return value instanceof Promise ? value.then(checkpointOf) : checkpointOf(value);
  }

  /**
   * Keeps `next` unless the checkpoint there is lies in the same epoch at the same place or a later one. Resolves once
   * committed, with the place of the checkpoint that is kept now. Rejects with ProtocolError `not_available`.
   */
  async advance(channel: string, name: string, next: Checkpoint): Promise<Position> {
    const { epoch, offset, data } = next;
    const key = { channel, name };
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const value = await this.#values.get(key);
      const at = value?.at;
      if (at !== undefined && at.epoch === epoch && at.offset >= offset) return at;
      const content = { at: { epoch, offset }, ...(data === undefined ? {} : { data }) };
      const revision = await this.#values.put(key, content, { revision: value?.revision ?? 0 });
      if (revision !== undefined) return content.at;
    }
    throw new ProtocolError("not_available", "too many others change it");
  }

  /**
   * Calls `act` unless it was done about this place under that name within the last `ttl` milliseconds, and keeps that it
   * is done. Two at once may both call it. Rejects with what it throws, and then it is not done.
   */
  async once(
    channel: string,
    name: string,
    { epoch, offset }: Position,
    ttl: number,
    act: () => MaybePromise<unknown>,
  ): Promise<void> {
    const done = await this.#values.get({ channel, name });
    if (done?.at?.epoch === epoch) return;
    await act();
    await this.#values.put({ channel, name }, { at: { epoch, offset } }, { ttl });
  }
}

/** The name under which a user's read position is kept beside a channel. */
export function readPositionOf(userId: string): string {
  return `read ${userId}`;
}

function checkpointOf(value: { readonly at?: Position; readonly data?: Uint8Array } | undefined):
  | Checkpoint
  | undefined {
  if (value?.at === undefined) return undefined;
  return value.data === undefined ? value.at : { ...value.at, data: value.data };
}

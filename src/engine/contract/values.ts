/**
 * Small values: read positions, snapshots of documents, secrets.
 *
 * @module
 */

import type { MaybePromise, Position } from "./log.ts";

/** The name of a value. */
export interface ValueKey {
  /** The channel it belongs to: the value goes when the channel is forgotten. @default none */
  readonly channel?: string;
  /** 1 to 256 printable ASCII characters. */
  readonly name: string;
}

/** What a value holds. */
export interface Content {
  /**
   * A place in the value's channel. It is apart from `data` so that it stays right when an engine gives the history of a
   * channel another epoch, as it does for a backup that is put back. @default none
   */
  readonly at?: Position;
  /** Up to 256 MiB; above some 100 KB an engine may keep it elsewhere and be slower. @default none */
  readonly data?: Uint8Array;
}

/** A kept value. */
export interface Value extends Content {
  /** Changes with each `put` and is never used again for this key. */
  readonly revision: number;
}

/** How a value is kept. */
export interface PutOptions {
  /** Only if this is the revision of the value now; 0: only if there is no value. @default whatever there is */
  readonly revision?: number;
  /** Milliseconds after which it goes. @default it stays */
  readonly ttl?: number;
}

/** Keeps small values. */
export interface Values {
  get(key: ValueKey): MaybePromise<Value | undefined>;
  /** Resolves once committed with the new revision; undefined: `revision` is no longer that of the value. */
  put(key: ValueKey, content: Content, options?: PutOptions): MaybePromise<number | undefined>;
  /** Removes a value, with `revision` only that one; false: there was none, or another one. */
  delete(key: ValueKey, revision?: number): MaybePromise<boolean>;
}

/**
 * Presence: who is on which channel, on all instances.
 *
 * @module
 */

import type { MaybePromise } from "./log.ts";

/** One session of a user on a channel. */
export interface PresenceEntry {
  readonly userId: string;
  readonly sessionId: string;
  readonly info?: Readonly<Record<string, unknown>>;
}

/**
 * Called when the first session of a user comes onto a channel or the last one leaves it; with `online` also when the
 * `info` of a session has changed.
 */
export type PresenceListener = (channel: string, event: "online" | "offline", entry: PresenceEntry) => void;

/** Knows who is on which channel. */
export interface Presence {
  /** Enters or renews an entry; it lapses `lease` milliseconds after the last call. */
  enter(channel: string, entry: PresenceEntry, lease: number): MaybePromise<void>;
  /** Ends an entry now. */
  leave(channel: string, sessionId: string): MaybePromise<void>;
  /** Everybody on a channel, one entry per session, those that came last at the end. */
  list(channel: string): MaybePromise<readonly PresenceEntry[]>;
  /** Calls `listener` for every channel that this engine knows presence of. One listener. */
  onChange(listener: PresenceListener): void;
}

/**
 * What engines have in common that keep everything in one process: whoever follows a channel is here, and who is present
 * is known in memory.
 *
 * @module
 */

import type {
  EphemeralListener,
  EphemeralMessage,
  Follower,
  PresenceEntry,
  PresenceListener,
  StoredRecord,
} from "./contract.ts";
import { PresenceTable } from "./presence.ts";

/** Options of every such engine. */
export interface LocalEngineOptions {
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number;
  /** Told when a follower or listener throws: the publisher is not. @default ignored */
  readonly failed?: (error: unknown, stage: string) => void;
}

/** Followers, signals and presence of an engine in one process. */
export abstract class LocalEngine {
  /** Milliseconds since the epoch. */
  protected readonly now: () => number;
  protected readonly failed: (error: unknown, stage: string) => void;
  /** By channel. */
  protected readonly followers = new Map<string, Follower>();
  readonly #presence: PresenceTable;
  #signals: EphemeralListener | undefined;

  constructor({ now = Date.now, failed = () => {} }: LocalEngineOptions) {
    this.now = now;
    this.failed = failed;
    this.#presence = new PresenceTable(now());
  }

  publishEphemeral(channel: string, signal: EphemeralMessage): void {
    if (!this.followers.has(channel)) return;
    try {
      this.#signals?.(channel, signal);
    } catch (error) {
      this.failed(error, "signal");
    }
  }

  onEphemeral(listener: EphemeralListener): void {
    this.#signals = listener;
  }

  presenceEnter(channel: string, entry: PresenceEntry, ttl: number): void {
    this.#presence.enter(channel, entry, this.now() + ttl);
  }

  presenceLeave(channel: string, sessionId: string): void {
    this.#presence.leave(channel, sessionId);
  }

  presence(channel: string): readonly PresenceEntry[] {
    return this.#presence.on(channel);
  }

  onPresence(listener: PresenceListener): void {
    this.#presence.listen((channel, event, entry) => {
      try {
        listener(channel, event, entry);
      } catch (error) {
        this.failed(error, "presence");
      }
    });
  }

  /** Tells whoever follows `channel` of a message that was committed. */
  protected tell(channel: string, record: StoredRecord, epoch: string): void {
    const follower = this.followers.get(channel);
    if (follower === undefined) return;
    try {
      follower(channel, record, epoch);
    } catch (error) {
      this.failed(error, "follower");
    }
  }

  /** Ends what has lapsed by `now`. */
  protected sweepPresence(now: number): void {
    this.#presence.sweep(now);
  }

  /** Nobody is told anything any more. */
  protected silence(): void {
    this.followers.clear();
    this.#signals = undefined;
  }
}

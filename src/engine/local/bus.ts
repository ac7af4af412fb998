/**
 * Fan-out among the engines that share one store in this process.
 *
 * @module
 */

import type {
  EphemeralListener,
  EphemeralMessage,
  Follower,
  ForgetListener,
  InterruptionListener,
  Piece,
  PieceListener,
  PresenceEntry,
  PresenceListener,
  StoredRecord,
} from "../contract.ts";

/** What one engine listens to. */
export class Listeners {
  readonly followers = new Map<string, Follower>();
  ephemeral: EphemeralListener | undefined;
  piece: PieceListener | undefined;
  interruption: InterruptionListener | undefined;
  forgotten: ForgetListener | undefined;
  presence: PresenceListener | undefined;
  readonly #failed: (error: unknown, stage: string) => void;

  /** `failed` is told when a follower or listener throws; publishers are not. */
  constructor(failed: (error: unknown, stage: string) => void) {
    this.#failed = failed;
  }

  /** Hands on a committed message. */
  committed(channel: string, record: StoredRecord, epoch: string): void {
    const follower = this.followers.get(channel);
    if (follower === undefined) return;
    try {
      follower(channel, record, epoch);
    } catch (error) {
      this.#failed(error, "follower");
    }
  }

  /** Hands on a piece of a message of a channel that is followed. */
  grown(channel: string, piece: Piece, epoch: string): void {
    if (!this.followers.has(channel)) return;
    try {
      this.piece?.(channel, piece, epoch);
    } catch (error) {
      this.#failed(error, "piece");
    }
  }

  /** Hands on that a message was interrupted. False: nobody listens. */
  interrupted(channel: string, target: number): boolean {
    if (this.interruption === undefined) return false;
    try {
      this.interruption(channel, target);
    } catch (error) {
      this.#failed(error, "interruption");
    }
    return true;
  }

  /** Hands on that a channel was forgotten that is followed. */
  forgot(channel: string): void {
    if (!this.followers.has(channel)) return;
    try {
      this.forgotten?.(channel);
    } catch (error) {
      this.#failed(error, "forgotten channel");
    }
  }

  /** Hands on an ephemeral message of a channel that is followed. */
  sent(channel: string, message: EphemeralMessage): void {
    if (!this.followers.has(channel)) return;
    try {
      this.ephemeral?.(channel, message);
    } catch (error) {
      this.#failed(error, "ephemeral message");
    }
  }

  /** Hands on a change of presence. */
  changed(channel: string, event: "online" | "offline", entry: PresenceEntry): void {
    try {
      this.presence?.(channel, event, entry);
    } catch (error) {
      this.#failed(error, "presence");
    }
  }

  /** Nothing is handed on any more. */
  clear(): void {
    this.followers.clear();
    this.ephemeral = undefined;
    this.piece = undefined;
    this.interruption = undefined;
    this.forgotten = undefined;
    this.presence = undefined;
  }
}

/** The engines of one store. */
export class Bus {
  readonly #all: Listeners[] = [];

  /** Adds an engine. */
  join(listeners: Listeners): void {
    this.#all.push(listeners);
  }

  /** Removes an engine. */
  leave(listeners: Listeners): void {
    const at = this.#all.indexOf(listeners);
    if (at >= 0) this.#all.splice(at, 1);
  }

  /** Whether an engine follows a channel. */
  isFollowed(channel: string): boolean {
    return this.#all.some(({ followers }) => followers.has(channel));
  }

  /** Hands a committed message on to all engines. */
  committed(channel: string, record: StoredRecord, epoch: string): void {
    for (let i = 0; i < this.#all.length; i++) this.#all[i]!.committed(channel, record, epoch);
  }

  /** Hands a piece on to all engines. */
  grown(channel: string, piece: Piece, epoch: string): void {
    for (let i = 0; i < this.#all.length; i++) this.#all[i]!.grown(channel, piece, epoch);
  }

  /** Hands on to one engine that a message was interrupted. */
  interrupted(channel: string, target: number): void {
    this.#all.some((listeners) => listeners.interrupted(channel, target));
  }

  /** Hands on to all engines that a channel was forgotten. */
  forgot(channel: string): void {
    for (let i = 0; i < this.#all.length; i++) this.#all[i]!.forgot(channel);
  }

  /** Hands an ephemeral message on to all engines. */
  sent(channel: string, message: EphemeralMessage): void {
    for (let i = 0; i < this.#all.length; i++) this.#all[i]!.sent(channel, message);
  }

  /** Hands a change of presence on to all engines. */
  changed(channel: string, event: "online" | "offline", entry: PresenceEntry): void {
    for (let i = 0; i < this.#all.length; i++) this.#all[i]!.changed(channel, event, entry);
  }
}

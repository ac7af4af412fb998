/**
 * Whether the connection is still alive: a ping when the peer was silent, and a bound on the wait for anything at all.
 *
 * @module
 */

/** The server's heartbeat, in milliseconds. */
export interface HeartbeatSettings {
  /** The server wants to hear something at least this often. */
  readonly interval: number;
  /** After so long without anything a connection is dead. */
  readonly timeout: number;
}

/** What is to be done now. */
export type HealthAction = "none" | "ping" | "dead";

/** A dead path is noticed within this, in milliseconds, whatever the server says. Exported for tests. */
export const NOTICE_WITHIN = 10_000;
/** How long an answer may take when something suggests that the path is gone. */
const SUSPECT = 2500;
/** A timer that fires this much too late was not running: the device slept. */
const SLEPT = 5000;

/** Follows what comes and goes on one connection. Pure: told the time, says what to do and when to be asked again. */
export class Health {
  readonly #interval: number;
  readonly #patience: number;
  #lastReceived: number;
  #lastPing: number;
  /** When the oldest unanswered ping was sent; undefined while nothing is awaited. */
  #awaitedSince: number | undefined;
  #deadline = Infinity;
  #expectedAt = Infinity;

  constructor({ interval, timeout }: HeartbeatSettings, now: number) {
    const notice = Math.min(timeout, NOTICE_WITHIN);
    // Whole milliseconds, as clocks and timers have them: with parts of one `next` could name a time too early.
    this.#interval = Math.floor(Math.min(interval, notice * 0.7));
    this.#patience = notice - this.#interval;
    this.#lastReceived = now;
    this.#lastPing = now;
  }

  /** Anything came: the path lives. */
  received(now: number): void {
    this.#lastReceived = now;
    this.#awaitedSince = undefined;
    this.#deadline = Infinity;
  }

  /** Something suggests that the path may be gone: a ping now, and less patience. */
  suspect(now: number): HealthAction {
    this.#deadline = Math.min(this.#deadline, now + Math.min(SUSPECT, this.#patience));
    return this.#ping(now);
  }

  /** To be called when `next` says so, and as late as it happens. */
  check(now: number): HealthAction {
    const late = now - this.#expectedAt;
    this.#expectedAt = Infinity;
    if (this.#awaitedSince !== undefined && now >= this.#deadline) {
      // After a sleep the answer may lie in the runtime's queue, unread: it is given a moment.
      if (late < SLEPT) return "dead";
      this.#awaitedSince = undefined;
      this.#deadline = Infinity;
      return this.suspect(now);
    }
    if (late >= SLEPT) return this.suspect(now);
    if (this.#awaitedSince === undefined && now - this.#lastPing >= this.#interval) return this.#ping(now);
    return "none";
  }

  /** When to call `check` next. */
  next(now: number): number {
    const due = this.#awaitedSince === undefined ? this.#lastPing + this.#interval : this.#deadline;
    return this.#expectedAt = Math.max(due, now);
  }

  /** When anything came last. */
  get lastReceived(): number {
    return this.#lastReceived;
  }

  #ping(now: number): HealthAction {
    this.#lastPing = now;
    this.#awaitedSince ??= now;
    this.#deadline = Math.min(this.#deadline, now + this.#patience);
    return "ping";
  }
}

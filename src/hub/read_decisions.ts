/**
 * Decisions about reading a channel's files, each remembered for a while: a file is read by many requests.
 *
 * @module
 */

import type { MaybePromise } from "../engine/contract.ts";
import { ERRORS, ProtocolError } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";

/** A file of a channel that is to be read by a user who is not subscribed to the channel, as far as is known. */
export interface ReadAttempt {
  readonly user: string;
  /** Undefined: it is read over HTTP. */
  readonly client: Client | undefined;
  readonly channel: string;
}

/** Milliseconds that a decision holds. A refusal may be one that the application is about to withdraw. */
const HOLDS = { allowed: 30_000, refused: 5000 };
/** Decisions that are remembered at most. */
const MOST = 10_000;

interface Decision {
  /** What came of it; undefined: it may be read. */
  readonly error: unknown;
  readonly until: number;
}

/** Remembers decisions by user and channel. */
export class ReadDecisions {
  readonly #decide: (attempt: ReadAttempt) => MaybePromise<void>;
  readonly #now: () => number;
  readonly #known = new Map<string, Decision>();
  readonly #asking = new Map<string, Promise<void>>();

  /** `decide` throws or rejects to refuse. `now`: milliseconds of a clock that only goes forward. */
  constructor(decide: (attempt: ReadAttempt) => MaybePromise<void>, now: () => number) {
    this.#decide = decide;
    this.#now = now;
  }

  /** Throws or rejects when the file may not be read. Those who ask at the same time share one decision. */
  ask(attempt: ReadAttempt): MaybePromise<void> {
    // No user id and no channel holds a space.
    const key = `${attempt.user} ${attempt.channel}`;
    const known = this.#known.get(key);
    if (known !== undefined && known.until > this.#now()) {
      if (known.error !== undefined) throw known.error;
      return undefined;
    }
    const asking = this.#asking.get(key);
    if (asking !== undefined) return asking;
    let decided: MaybePromise<void>;
    try {
      decided = this.#decide(attempt);
    } catch (error) {
      this.#keep(key, error);
      throw error;
    }
    if (!(decided instanceof Promise)) return this.#keep(key, undefined);
    const shared: Promise<void> = decided.then(
      () => this.#asking.get(key) === shared ? this.#keep(key, undefined) : undefined,
      (error) => {
        if (this.#asking.get(key) === shared) this.#keep(key, error);
        throw error;
      },
    ).finally(() => this.#asking.get(key) === shared && this.#asking.delete(key));
    this.#asking.set(key, shared);
    return shared;
  }

  /** Forgets all: somebody else decides from now on. */
  clear(): void {
    this.#known.clear();
    this.#asking.clear();
  }

  #keep(key: string, error: unknown): void {
    // The newest ones stay.
    this.#known.delete(key);
    if (error !== undefined && !(error instanceof ProtocolError && !ERRORS[error.error].temporary)) return;
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value!);
    const until = this.#now() + (error === undefined ? HOLDS.allowed : HOLDS.refused);
    this.#known.set(key, { error, until });
  }
}

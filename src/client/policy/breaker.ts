/**
 * A circuit breaker: after so many failures in a row a path is left alone for a while.
 *
 * @module
 */

/** Bounds of a breaker. */
export interface BreakerOptions {
  /** Failures in a row that open it. @default 5 */
  readonly failures?: number;
  /** Milliseconds it stays open. @default 300000 */
  readonly pause?: number;
}

/** Counts the failures of one path. After the pause one attempt is let through: its failure opens the breaker again. */
export class CircuitBreaker {
  readonly #failures: number;
  readonly #pause: number;
  #count = 0;
  #openUntil = 0;

  constructor({ failures = 5, pause = 300_000 }: BreakerOptions = {}) {
    this.#failures = failures;
    this.#pause = pause;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#count;
  }

  /** Whether the path may be tried at `now`. */
  allows(now: number): boolean {
    return now >= this.#openUntil;
  }

  /** When it may be tried again; not in the future when it may be tried now. */
  get openUntil(): number {
    return this.#openUntil;
  }

  /** The path did not work. */
  failed(now: number): void {
    if (++this.#count >= this.#failures) this.#openUntil = now + this.#pause;
  }

  /** The path worked. */
  succeeded(): void {
    this.#count = 0;
    this.#openUntil = 0;
  }

  /** The network or the user's wish has changed: try at once. One more failure opens it again. */
  close(): void {
    this.#openUntil = 0;
  }
}

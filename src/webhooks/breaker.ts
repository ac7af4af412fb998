/**
 * Leaves an endpoint alone that does not work, and looks now and then whether it does again. Pure.
 *
 * @module
 */

/** How a breaker behaves; times in milliseconds. */
export interface BreakerOptions {
  /** Failures in a row after which it opens. @default 5 */
  readonly failures?: number;
  /** How long it stays open at first; twice as long after each look that failed. @default 1000 */
  readonly minOpen?: number;
  /** @default 60000 */
  readonly maxOpen?: number;
  /** 0 to 1. */
  readonly random: () => number;
}

/** `closed`: requests go. `open`: none does. `probing`: one may. */
export type BreakerState = "closed" | "open" | "probing";

/** The breaker of one endpoint. `now` is a clock that only goes forward. */
export class Breaker {
  readonly #failures: number;
  readonly #minOpen: number;
  readonly #maxOpen: number;
  readonly #random: () => number;
  #inRow = 0;
  #opened = 0;
  #until = 0;
  #isProbing = false;

  constructor({ failures = 5, minOpen = 1000, maxOpen = 60_000, random }: BreakerOptions) {
    this.#failures = failures;
    this.#minOpen = minOpen;
    this.#maxOpen = maxOpen;
    this.#random = random;
  }

  /** Where it stands. */
  state(now: number): BreakerState {
    if (this.#opened === 0) return "closed";
    return now < this.#until ? "open" : "probing";
  }

  /** When the next request may go; undefined: that depends on the one that is under way. */
  nextAt(now: number): number | undefined {
    if (this.#opened === 0) return now;
    return this.#isProbing ? undefined : Math.max(now, this.#until);
  }

  /** Asks for a request to be made. True: its outcome has to be told. */
  take(now: number): boolean {
    if (this.#opened === 0) return true;
    if (this.#isProbing || now < this.#until) return false;
    this.#isProbing = true;
    return true;
  }

  /** A request was answered by an endpoint that works. */
  succeeded(): void {
    this.#inRow = 0;
    this.#opened = 0;
    this.#isProbing = false;
  }

  /** A request failed because the endpoint does not work. `retryAfter`: it asks to be left alone for so long. */
  failed(now: number, retryAfter = 0): void {
    const wasProbing = this.#isProbing;
    this.#isProbing = false;
    this.#inRow++;
    // Requests that were under way when it opened say nothing new.
    if (this.#opened > 0 && !wasProbing) return;
    if (this.#inRow < this.#failures && !wasProbing) return;
    this.#opened++;
    const open = Math.min(this.#maxOpen, this.#minOpen * 2 ** Math.min(this.#opened - 1, 30));
    this.#until = now + Math.max(open * (0.5 + this.#random() / 2), Math.min(retryAfter, this.#maxOpen));
  }

  /** A request came to nothing, and that says nothing about the endpoint. */
  gaveUp(): void {
    this.#isProbing = false;
  }
}

/** Milliseconds until an event is sent again after `attempts` failures: twice as long each time, with jitter. */
export function retryDelay(
  attempts: number,
  { minDelay, maxDelay }: { readonly minDelay: number; readonly maxDelay: number },
  random: () => number,
): number {
  const delay = Math.min(maxDelay, minDelay * 2 ** Math.min(attempts - 1, 40));
  return delay * (0.5 + random() / 2);
}

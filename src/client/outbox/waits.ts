/**
 * Waits that the server has asked for, before messages are sent again: of all messages, or of one channel.
 *
 * @module
 */

import type { Clock } from "../clock.ts";

/** The waits of one connection. */
export class Waits {
  readonly #clock: Clock;
  readonly #over: (target: string | undefined) => void;
  /** What calls off each wait, by its channel; undefined: the wait of all. */
  readonly #waits = new Map<string | undefined, () => void>();

  /** `over` is called when a wait is over. */
  constructor(clock: Clock, over: (target: string | undefined) => void) {
    this.#clock = clock;
    this.#over = over;
  }

  /** Whether nothing may be sent at all. */
  get isForAll(): boolean {
    return this.#waits.has(undefined);
  }

  /** Waits for `ms` from now on, instead of what was waited for before. */
  begin(ms: number, target?: string): void {
    this.#waits.get(target)?.();
    this.#waits.set(target, this.#clock.after(ms, () => this.end(target)));
  }

  /** What is waited for has come. */
  end(target?: string): void {
    const cancel = this.#waits.get(target);
    if (cancel === undefined) return;
    cancel();
    this.#waits.delete(target);
    this.#over(target);
  }

  /** Nothing is waited for any more. */
  clear(): void {
    for (const cancel of this.#waits.values()) cancel();
    this.#waits.clear();
  }
}

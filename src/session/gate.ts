/**
 * One pause for everything that is read of a connection.
 *
 * @module
 */

/**
 * Holds back whoever waits until the longest of the pauses asked for is over. One for all lanes: many lanes are not to
 * be a way around a rate.
 */
export class PauseGate {
  /** Until when, in milliseconds since the epoch. */
  until = 0;
  #waiting: PromiseWithResolvers<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #open = true;

  /** Resolves after `ms` milliseconds, later when a longer pause is asked for meanwhile, at once after `end`. */
  wait(ms: number, now: number): Promise<void> {
    if (!this.#open) return Promise.resolve();
    this.until = Math.max(this.until, now + ms);
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers<void>();
      this.#timer = setTimeout(this.#over, ms);
    }
    return this.#waiting.promise;
  }

  /** Nobody waits any more. */
  end(): void {
    this.#open = false;
    clearTimeout(this.#timer);
    this.#over();
  }

  readonly #over = (): void => {
    const left = this.until - Date.now();
    if (left > 0 && this.#open) {
      this.#timer = setTimeout(this.#over, left);
      return;
    }
    this.#waiting?.resolve();
    this.#waiting = undefined;
  };
}

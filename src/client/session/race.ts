/**
 * Carries out a dial plan: transports are connected side by side, one at a time authenticates, the first that succeeds
 * wins, and the others are closed without a trace.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import type { DialStep, Path } from "../policy/paths.ts";

/** What a race is made of. `C` is a connection, `R` what authentication yields. */
export interface RaceOptions<C, R> {
  readonly steps: readonly DialStep[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Connects; has to leave nothing open when `signal` is aborted. Has a deadline of its own. */
  dial(path: Path, signal: AbortSignal): Promise<C>;
  /** Authenticates; has a deadline of its own. */
  authenticate(connection: C): Promise<R>;
  /** Ends a connection that is not wanted. */
  discard(connection: C): void;
  /** Whether another path would be refused as well: then the race is over. */
  isFinal(error: unknown): boolean;
  /** Told when a path did not come through. */
  failed(path: Path, error: unknown): void;
}

/** Who won. */
export interface RaceResult<C, R> {
  readonly path: Path;
  readonly connection: C;
  readonly result: R;
  /** Paths that were dialled, the winner among them, and the milliseconds each had. */
  readonly dialled: ReadonlyMap<Path, number>;
}

/** Every path failed; `errors` in the order of their failing. */
export class RaceLost extends Error {
  override readonly name = "RaceLost";
  readonly errors: readonly unknown[];

  constructor(errors: readonly unknown[]) {
    const last = errors.at(-1);
    super(last instanceof Error ? last.message : "nothing to dial");
    this.errors = errors;
  }
}

/** Runs a race. Rejects with RaceLost, with an error that is final, or with the signal's reason. */
export function race<C, R>(options: RaceOptions<C, R>): Promise<RaceResult<C, R>> {
  return new Promise((resolve, reject) => new Race(options, resolve, reject).start());
}

class Race<C, R> {
  readonly #options: RaceOptions<C, R>;
  readonly #resolve: (result: RaceResult<C, R>) => void;
  readonly #reject: (error: unknown) => void;
  readonly #abort = new AbortController();
  readonly #waiting: DialStep[];
  readonly #startedAt = new Map<Path, number>();
  readonly #ready: { path: Path; connection: C }[] = [];
  readonly #errors: unknown[] = [];
  #dialling = 0;
  #authenticating: { path: Path; connection: C } | undefined;
  #begun = 0;
  #cancel: (() => void) | undefined;
  #over = false;

  constructor(
    options: RaceOptions<C, R>,
    resolve: (result: RaceResult<C, R>) => void,
    reject: (error: unknown) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#waiting = [...options.steps];
  }

  start(): void {
    const { signal, clock } = this.#options;
    if (signal.aborted) return this.#reject(signal.reason);
    signal.addEventListener("abort", this.#aborted, { once: true });
    this.#begun = clock.now();
    this.#next();
  }

  readonly #aborted = (): void => this.#fail(this.#options.signal.reason);

  /** Starts what is due, and what nothing is left to wait for. */
  #next(): void {
    if (this.#over) return;
    this.#cancel?.();
    this.#cancel = undefined;
    const { clock } = this.#options;
    for (;;) {
      const step = this.#waiting[0];
      const busy = this.#dialling + this.#ready.length + (this.#authenticating === undefined ? 0 : 1);
      if (step === undefined) {
        if (busy === 0) this.#fail(new RaceLost(this.#errors));
        return;
      }
      const left = this.#begun + step.at - clock.now();
      if (left > 0 && busy > 0) {
        if (left < Infinity) this.#cancel = clock.after(left, () => this.#next());
        return;
      }
      this.#waiting.shift();
      void this.#dial(step.path);
    }
  }

  async #dial(path: Path): Promise<void> {
    const { clock, dial, discard } = this.#options;
    this.#dialling++;
    this.#startedAt.set(path, clock.now());
    let connection: C;
    try {
      connection = await dial(path, this.#abort.signal);
    } catch (error) {
      this.#dialling--;
      if (!this.#over) this.#lost(path, error);
      return;
    }
    this.#dialling--;
    if (this.#over) return discard(connection);
    this.#ready.push({ path, connection });
    void this.#authenticate();
  }

  async #authenticate(): Promise<void> {
    if (this.#over || this.#authenticating !== undefined) return;
    const candidate = this.#ready.shift();
    if (candidate === undefined) return this.#next();
    this.#authenticating = candidate;
    const { path, connection } = candidate;
    const { authenticate, discard, isFinal } = this.#options;
    try {
      const result = await authenticate(connection);
      if (this.#over) return discard(connection);
      this.#authenticating = undefined;
      this.#win(path, connection, result);
    } catch (error) {
      if (this.#over) return discard(connection);
      this.#authenticating = undefined;
      discard(connection);
      if (isFinal(error)) return this.#fail(error);
      this.#lost(path, error);
      void this.#authenticate();
    }
  }

  #lost(path: Path, error: unknown): void {
    this.#errors.push(error);
    this.#options.failed(path, error);
    this.#next();
  }

  #win(path: Path, connection: C, result: R): void {
    const now = this.#options.clock.now();
    const dialled = new Map([...this.#startedAt].map(([path, at]) => [path, now - at] as const));
    this.#finish();
    this.#resolve({ path, connection, result, dialled });
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#finish();
    this.#reject(error);
  }

  #finish(): void {
    this.#over = true;
    this.#cancel?.();
    this.#options.signal.removeEventListener("abort", this.#aborted);
    this.#abort.abort(new DOMException("another transport was faster", "AbortError"));
    for (const { connection } of this.#ready.splice(0)) this.#options.discard(connection);
    if (this.#authenticating !== undefined) this.#options.discard(this.#authenticating.connection);
  }
}

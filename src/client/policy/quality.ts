/**
 * Whether a path that is alive is good enough to stay on.
 *
 * @module
 */

/** What makes a path poor. */
export interface QualityOptions {
  /** Milliseconds of round trip, at the median of the window. @default 1500 */
  readonly rtt?: number;
  /** Share of datagrams lost in the window, 0 to 1. @default 0.25 */
  readonly loss?: number;
  /** Milliseconds it has to be so before it counts. @default 5000 */
  readonly sustained?: number;
  /** Network changes within a minute that make a path poor. @default 4 */
  readonly changes?: number;
}

/** Samples looked at. */
const WINDOW = 8;
/** Fewest samples that say anything. */
const FEWEST = 4;
const MINUTE = 60_000;

/** Judges one path by its latest round trips, its lost datagrams and its changes of network. */
export class PathJudge {
  readonly #rtt: number;
  readonly #loss: number;
  readonly #sustained: number;
  readonly #changes: number;
  #rtts: number[] = [];
  #lost: boolean[] = [];
  #changedAt: number[] = [];
  #poorSince: number | undefined;

  constructor({ rtt = 1500, loss = 0.25, sustained = 5000, changes = 4 }: QualityOptions = {}) {
    this.#rtt = rtt;
    this.#loss = loss;
    this.#sustained = sustained;
    this.#changes = changes;
  }

  /** A round trip of `ms`. */
  roundTrip(ms: number, now: number): void {
    push(this.#rtts, ms);
    this.#look(now);
  }

  /** A datagram that came back, or did not. */
  datagram(lost: boolean, now: number): void {
    push(this.#lost, lost);
    this.#look(now);
  }

  /** The network under the path has changed. */
  networkChanged(now: number): void {
    this.#changedAt = [...this.#changedAt.filter((at) => now - at < MINUTE), now];
  }

  /** Poor once it has been bad for long enough, or changes again and again. */
  isPoor(now: number): boolean {
    if (this.#changedAt.filter((at) => now - at < MINUTE).length >= this.#changes) return true;
    return this.#poorSince !== undefined && now - this.#poorSince >= this.#sustained;
  }

  #look(now: number): void {
    const bad = (this.#rtts.length >= FEWEST && median(this.#rtts) > this.#rtt) ||
      (this.#lost.length >= FEWEST && share(this.#lost) > this.#loss);
    if (!bad) this.#poorSince = undefined;
    else this.#poorSince ??= now;
  }
}

/** Whether round trips measured on a path that is not yet in use make it worth moving to. */
export function isWorthwhile(rtts: readonly number[], { rtt = 1500 }: QualityOptions = {}): boolean {
  return rtts.length > 0 && median(rtts) <= rtt;
}

function push<T>(window: T[], sample: T): void {
  window.push(sample);
  if (window.length > WINDOW) window.shift();
}

function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function share(samples: readonly boolean[]): number {
  return samples.filter(Boolean).length / samples.length;
}

/**
 * The ways to a server, and which of them are dialled when. Pure decisions; `session/race.ts` acts on them.
 *
 * @module
 */

/** A way to the server: QUIC (WebTransport or raw), WebSocket. */
export type Path = "quic" | "websocket";

/** What the decision depends on. */
export interface DialConditions {
  /** Paths that are configured and that this runtime has, best first. */
  readonly available: readonly Path[];
  /** Paths whose circuit breaker is open: left alone as long as there is another. */
  readonly broken: readonly Path[];
  /** What won last time on this network; undefined: not known. */
  readonly preferred: Path | undefined;
  /** Milliseconds a path is dialled alone before the next one is dialled beside it. */
  readonly headStart: number;
}

/** A dial: what, and how many milliseconds after the start at the latest. */
export interface DialStep {
  readonly path: Path;
  readonly at: number;
}

/**
 * The dials of one attempt, in order. The best path begins and the others follow, each after a head start. Paths better
 * than the one that won last time are dialled only when all others have failed: whether they work again is found out by
 * probes. A dial that fails lets the next one begin early.
 */
export function planDials({ available, broken, preferred, headStart }: DialConditions): DialStep[] {
  const whole = available.filter((path) => !broken.includes(path));
  const paths = whole.length > 0 ? whole : available;
  const first = Math.max(0, paths.findIndex((path) => path === preferred));
  return [...paths.slice(first), ...paths.slice(0, first)].map((path, i) => ({
    path,
    at: i < paths.length - first ? i * headStart : Infinity,
  }));
}

/**
 * Which path the packets of a connection take. Pure: what is known of the paths in, the choice out.
 *
 * @module
 */

import type { Prediction } from "./nat.ts";

/**
 * The kind of a path, best first:
 *
 * - `direct`: to an address of the peer's own machine, no NAT in between that had to be opened.
 * - `punched`: to an address that a NAT shows of the peer.
 * - `relayed`: through a TURN server.
 */
export type PathKind = "direct" | "punched" | "relayed";

/** What is known of a path. Times in milliseconds of a monotonic clock. */
export interface PathState {
  readonly kind: PathKind;
  /** When the last check was answered; undefined: never. */
  readonly confirmedAt: number | undefined;
  /** Checks answered in a row. */
  readonly confirmations: number;
  /** Checks in a row without an answer. */
  readonly failures: number;
  /** Checks that were sent since the last answer. */
  readonly unanswered: number;
  /** Round trip, smoothed; undefined: not known. */
  readonly rtt: number | undefined;
  /** How often it was left because it did not work, since it was last reliable. */
  readonly departures: number;
}

/** What else the choice depends on. */
export interface SelectionContext<P extends PathState> {
  /** The path in use. */
  readonly current: P | undefined;
  /** When the search began. */
  readonly startedAt: number;
  /** When a check was answered first, on whatever path; undefined: none was. The peer may be much later than this side. */
  readonly answeredAt: number | undefined;
  readonly now: number;
  /** What the NATs of both sides let expect. */
  readonly prediction: Prediction;
  /** Addresses of the peer are still awaited, or not all paths have been tried. */
  readonly searching: boolean;
  /** The path on which the peer is heard, while nothing comes by the one in use. */
  readonly heard?: P | undefined;
}

/** The choice: a path; nothing yet; or none, so that the service has to carry the data. */
export type Selection<P extends PathState> =
  | { readonly path: P }
  | { readonly path: undefined; readonly give: "wait" | "server" };

/**
 * A relayed path is not taken for so many ms after the peer's first answer while a direct one may still be found: most are
 * within 100 ms. Before that answer the peer may not have begun, and until it has, its NAT drops what is sent to it.
 */
const DIRECT_WAIT = 300;
/** So many checks of a direct path have to leave meanwhile: a program that pauses sends none and hears no answers. */
const DIRECT_CHECKS = 3;
/** But no longer than this. */
const LONGEST_DIRECT_WAIT = 1_000;
/** Without any path the service carries the data from then on; the search goes on. */
const SEARCH_TIME = 10_000;
/** A path with this many checks unanswered is not used while there is another one. */
export const MAX_FAILURES = 2;
/** A path is left for a better one only after so many answers in a row, so that a lossy one does not flap. */
const SWITCH_AFTER = 3;
/** That number doubles each time the better one was left again, up to so often. */
const MAX_DOUBLINGS = 4;

const RANK: Record<PathKind, number> = { direct: 0, punched: 1, relayed: 2 };
/** Among paths of one rank: shorter by a fifth and by some milliseconds, or it is not worth a switch. */
const FASTER = { share: 0.8, ms: 10 };

/** Chooses among paths. */
export function selectPath<P extends PathState>(
  paths: readonly P[],
  context: SelectionContext<P>,
): Selection<P> {
  const { current, now, startedAt, prediction, searching, heard } = context;
  const alive = paths.filter(isAlive);
  if (heard !== undefined && alive.includes(heard)) return { path: heard };
  const inUse = current !== undefined && alive.includes(current) ? current : undefined;
  if (inUse !== undefined) {
    const better = best(alive.filter((path) => isSteady(path) && isBetter(path, inUse)));
    return { path: better ?? inUse };
  }
  const mayWait = current === undefined && searching && prediction !== "relayed" &&
    isEarly(paths, now - (context.answeredAt ?? now));
  const chosen = best(mayWait ? alive.filter(({ kind }) => kind !== "relayed") : alive);
  if (chosen !== undefined) return { path: chosen };
  // Nothing answers: the path in use is as good as any, and may come back.
  if (current !== undefined && paths.includes(current) && alive.length === 0) return { path: current };
  return { path: undefined, give: now - startedAt < SEARCH_TIME ? "wait" : "server" };
}

/**
 * The path for copies of packets while `current` is silent: the one that has most likely not died with it. What breaks
 * one direct path breaks others between the two machines too, and a relay is elsewhere.
 */
export function secondPath<P extends PathState>(paths: readonly P[], current: P): P | undefined {
  const elsewhere = (path: P): number => +((path.kind === "relayed") === (current.kind === "relayed"));
  return paths.filter((path) => path !== current && isAlive(path))
    .sort((a, b) => a.failures - b.failures || elsewhere(a) - elsewhere(b) || order(a, b))[0];
}

/** The milliseconds after which `selectPath` may choose otherwise although nothing has come; undefined: never. */
export function nextDecision(
  { startedAt, answeredAt = Infinity, now }: Pick<
    SelectionContext<PathState>,
    "startedAt" | "answeredAt" | "now"
  >,
): number | undefined {
  const times = [answeredAt + DIRECT_WAIT, answeredAt + LONGEST_DIRECT_WAIT, startedAt + SEARCH_TIME];
  const next = Math.min(...times.filter((time) => time > now));
  return next === Infinity ? undefined : next - now;
}

/** Whether a direct path may still be found, `since` ms after the peer's first answer. */
function isEarly(paths: readonly PathState[], since: number): boolean {
  if (since < DIRECT_WAIT) return true;
  const checks = paths.filter(({ kind, confirmedAt }) => kind !== "relayed" && confirmedAt === undefined)
    .map(({ unanswered }) => unanswered);
  return since < LONGEST_DIRECT_WAIT && checks.length > 0 && Math.max(...checks) < DIRECT_CHECKS;
}

function isAlive(path: PathState): boolean {
  return path.confirmedAt !== undefined && path.failures < MAX_FAILURES;
}

function isSteady({ confirmations, departures }: PathState): boolean {
  const doublings = Math.min(Math.max(0, departures - 1), MAX_DOUBLINGS);
  return confirmations >= SWITCH_AFTER * 2 ** doublings;
}

function best<P extends PathState>(paths: readonly P[]): P | undefined {
  return paths.reduce<P | undefined>(
    (found, path) => found === undefined || order(path, found) < 0 ? path : found,
    undefined,
  );
}

function order(a: PathState, b: PathState): number {
  return RANK[a.kind] - RANK[b.kind] || (a.rtt ?? Infinity) - (b.rtt ?? Infinity);
}

function isBetter(path: PathState, current: PathState): boolean {
  if (RANK[path.kind] !== RANK[current.kind]) return RANK[path.kind] < RANK[current.kind];
  if (path.rtt === undefined || current.rtt === undefined) return false;
  return path.rtt < current.rtt * FASTER.share && path.rtt < current.rtt - FASTER.ms;
}

/**
 * What is due for a connection: decided here, done by `Sessions`.
 *
 * @module
 */

import type { CloseName } from "../protocol/mod.ts";
import type { SessionSettings } from "./contract.ts";
import type { ConnectionPhase } from "./host.ts";

/** What is known of a connection. Times are of the clock's `now`, unless said otherwise. */
export interface Deadlines {
  readonly phase: ConnectionPhase;
  readonly openedAt: number;
  /** Since when nothing has come although it was read. */
  readonly silentSince: number;
  /** Milliseconds since the epoch; undefined before authentication. */
  readonly tokenExpiresAt: number | undefined;
  /** Whether the client has been told that its token ends soon. */
  readonly tokenNoticeSent: boolean;
}

/** The two clocks, and the pauses of this process that do not count. */
export interface DeadlineTime {
  readonly now: number;
  /** Milliseconds since the epoch. */
  readonly wall: number;
  /** How many of the milliseconds since then the process stood still. */
  readonly pausedSince: (since: number) => number;
}

/** What is to be done with a connection. */
export type Due =
  | { readonly end: CloseName }
  /** Its token ends in so many milliseconds: the client is to be told. */
  | { readonly tokenExpiresIn: number };

/** What is due for a connection now; undefined: nothing. */
export function dueOf(
  connection: Deadlines,
  settings: Pick<SessionSettings, "authTimeout" | "heartbeat" | "tokenNotice">,
  { now, wall, pausedSince }: DeadlineTime,
): Due | undefined {
  const { phase, openedAt, silentSince, tokenExpiresAt, tokenNoticeSent } = connection;
  const late = (since: number, limit: number) =>
    now - since >= limit && now - since - pausedSince(since) >= limit;
  if (phase === "new" || phase === "authenticating") {
    return late(openedAt, settings.authTimeout) ? { end: "auth_timeout" } : undefined;
  }
  if (phase !== "open") return undefined;
  if (late(silentSince, settings.heartbeat.timeout)) return { end: "no_pong" };
  if (tokenExpiresAt === undefined) return undefined;
  const left = tokenExpiresAt - wall;
  if (left <= 0) return { end: "token_expired" };
  return left <= settings.tokenNotice && !tokenNoticeSent ? { tokenExpiresIn: left } : undefined;
}

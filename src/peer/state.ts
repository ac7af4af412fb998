/**
 * The states of a connection to a peer. Pure.
 *
 * @module
 */

/**
 * - `disconnected`: nothing is done; the first state, and the last.
 * - `connecting`: the first attempt is under way.
 * - `connected`: streams can be opened.
 * - `failed`: an attempt has failed, and another follows after a pause.
 * - `reconnecting`: a later attempt is under way; what the application wants to send waits.
 */
export type PeerState = "disconnected" | "connecting" | "connected" | "failed" | "reconnecting";

/** What happens to a connection. */
export type PeerEvent = "connect" | "established" | "lost" | "attempt_failed" | "retry" | "close";

const TRANSITIONS: Readonly<Record<PeerState, Partial<Record<PeerEvent, PeerState>>>> = {
  disconnected: { connect: "connecting" },
  connecting: { established: "connected", attempt_failed: "failed", close: "disconnected" },
  connected: { lost: "reconnecting", close: "disconnected" },
  reconnecting: { established: "connected", attempt_failed: "failed", close: "disconnected" },
  failed: { retry: "reconnecting", established: "connected", close: "disconnected" },
};

/** The next state; undefined: the event means nothing in this state. */
export function nextState(state: PeerState, event: PeerEvent): PeerState | undefined {
  return TRANSITIONS[state][event];
}

/** The first pause between attempts in ms, and the longest. */
const BACKOFF = { first: 500, most: 30_000 } as const;
/** Each pause is made shorter by up to this share, so that two peers do not always call each other at once. */
const JITTER = 0.3;

/** The pause before attempt number `attempt`, 1 for the first one that failed. @param random 0 to 1. */
export function backoff(attempt: number, random: number): number {
  const pause = Math.min(BACKOFF.first * 2 ** (attempt - 1), BACKOFF.most);
  return pause * (1 - JITTER * random);
}

/**
 * The state of a client as one observable value, for user interfaces: `getState`, `subscribe`, nothing else needed.
 *
 * @module
 */

import { call } from "./emitter.ts";
import type { ClientStatus } from "./events.ts";
import type { SkeinError } from "./errors.ts";
import type { ClientMetrics } from "./policy/meter.ts";
import type { ClientTransportKind } from "./transport/contract.ts";

/** What a user interface may want to show. Replaced as a whole when anything in it changes. */
export interface ClientState {
  readonly status: ClientStatus;
  /** What carries the session; null while nothing does. */
  readonly transport: ClientTransportKind | null;
  readonly userId: string | null;
  readonly sessionId: string | null;
  /** The connection the session is on; null while there is none. */
  readonly connectionId: string | null;
  /** When it was made, in milliseconds since the epoch; null while there is none. */
  readonly connectedAt: number | null;
  /** When anything came from the server last, in milliseconds since the epoch; null before. As fresh as `metrics`. */
  readonly lastActivity: number | null;
  /** Messages that are not acknowledged. */
  readonly pending: number;
  /** Milliseconds of round trip at the median; null while it is not known. */
  readonly rtt: number | null;
  /** The channels the application is on. */
  readonly channels: readonly string[];
  readonly lastError: SkeinError | null;
  readonly metrics: ClientMetrics | null;
}

/** A store as React (`useSyncExternalStore`), Preact, Svelte or nothing can read it. */
export interface ClientStore {
  /** The state now. */
  getState(): ClientState;
  /** The state at the beginning. */
  getInitialState(): ClientState;
  /** Calls `listener` at each change; returns what stops that. */
  subscribe(listener: (state: ClientState, before: ClientState) => void): () => void;
}

const INITIAL: ClientState = {
  status: "idle",
  transport: null,
  userId: null,
  sessionId: null,
  connectionId: null,
  connectedAt: null,
  lastActivity: null,
  pending: 0,
  rtt: null,
  channels: [],
  lastError: null,
  metrics: null,
};

/** Makes the store of a client, and what changes it. */
export function clientStore(): { store: ClientStore; update: (change: Partial<ClientState>) => void } {
  let state = INITIAL;
  const listeners = new Set<(now: ClientState, before: ClientState) => void>();
  const update = (change: Partial<ClientState>): void => {
    const before = state;
    const now = state = { ...state, ...change };
    for (const listener of listeners) call(() => listener(now, before), undefined);
  };
  const store: ClientStore = {
    getState: () => state,
    getInitialState: () => INITIAL,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return { store, update };
}

/**
 * Events of sessions, for those in the service that listen.
 *
 * @module
 */

import type { ErrorName, Principal } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";

interface Event<K extends string> {
  readonly kind: K;
  /** The connection it is about; for `end`, `moved` and `offline` the last one the session had. */
  readonly client: Client;
  /** Who its token says it is, as of this event. */
  readonly principal: Principal;
}

/**
 * Something that happened to a session of this node, in this order: `online`, `connect`, any number of `subscribe`,
 * `unsubscribe` and `refresh`, `disconnect`, then `connect` again, `end` or `moved`, and `offline`.
 */
export type SessionEvent =
  /** The first session of a user on this node begins. */
  | Event<"online">
  /** A session is on a connection: a new session, or one that was `resumed`, perhaps from another node. */
  | Event<"connect"> & { readonly resumed: boolean }
  /** A connection has come onto a channel, by asking or by resuming. Inboxes and the broadcast channel are not told of. */
  | Event<"subscribe"> & { readonly channel: string }
  /** A connection has left a channel. `reason`: why it had to; undefined when it asked. Not told of at `disconnect`. */
  | Event<"unsubscribe"> & { readonly channel: string; readonly reason: ErrorName | undefined }
  /** The token was refreshed; channels that it no longer allows are left after this. */
  | Event<"refresh"> & { readonly previous: Principal }
  /** The connection is gone, and its subscriptions with it. The session may come back. */
  | Event<"disconnect">
  /** The session is over. */
  | Event<"end">
  /** The session goes on at another node, where its client has connected. Comes in the place of `end`. */
  | Event<"moved">
  /** The last session of a user on this node is over, or goes on elsewhere. */
  | Event<"offline">;

/** The kinds of events, in the order in which a session has them first. */
export const SESSION_EVENTS = [
  "online",
  "connect",
  "subscribe",
  "unsubscribe",
  "refresh",
  "disconnect",
  "end",
  "moved",
  "offline",
] as const satisfies readonly SessionEvent["kind"][];

/** Told of events at once, one after another; nobody waits for more. It must not call the hub before it returns. */
export type SessionListener = (event: SessionEvent) => void;

/** The stream of session events of one node. */
export class SessionEvents {
  readonly #failed: (error: unknown, stage: string) => void;
  #listeners: readonly { readonly name: string; readonly listener: SessionListener }[] = [];

  /** `failed` is told when a listener throws; `stage` is `session listener NAME`. */
  constructor(failed: (error: unknown, stage: string) => void) {
    this.#failed = failed;
  }

  /** Tells `listener` of every event from now on, after those that listen already. */
  listen(name: string, listener: SessionListener): void {
    this.#listeners = [...this.#listeners, { name, listener }];
  }

  /** Tells all listeners. */
  emit(event: SessionEvent): void {
    for (const { name, listener } of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#failed(error, `session listener ${name}`);
      }
    }
  }
}

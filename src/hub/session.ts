/**
 * A session in the hub and its subscriptions.
 *
 * @module
 */

import type { PresenceEntry } from "../engine/contract.ts";
import type { Encoded, Principal } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";

/**
 * Where a subscription stands: the engine has not answered yet (`joining`), it is sent what it missed (`catching`), it
 * is in the fan-out (`live`), it gets nothing until its client subscribes again (`stopped`), it has ended (`gone`).
 */
export type SubscriptionState = "joining" | "catching" | "live" | "stopped" | "gone";

/** A message on its way to subscribers. */
export interface Delivery {
  readonly offset: number;
  readonly message: Encoded;
}

/** What a subscription needs of its channel. */
export interface SubscribedChannel {
  readonly name: string;
  /** Offset of the last message fanned out. */
  readonly offset: number;
  /** What came since somebody began to catch up, oldest first, as far as it was kept. */
  readonly tail: readonly Delivery[];
  /** Everything after this offset that was fanned out is in `tail`. */
  readonly floor: number;
  /** Puts a subscription that has caught up into the fan-out. */
  goLive(subscription: Subscription): void;
  /** Takes a subscription out. */
  remove(subscription: Subscription, state: "stopped" | "gone"): void;
  /** Sends what is held back, and says to how many QUIC connections. */
  flush(): number;
  /** The engine says that the channel is in `epoch`. */
  meet(epoch: string): void;
}

/** One channel of one connection. A later connection of the session gets subscriptions of its own. */
export class Subscription {
  readonly session: HubSession;
  readonly client: Client;
  readonly channel: SubscribedChannel;
  lane: number;
  state: SubscriptionState = "joining";
  epoch = "";
  /** Offset of the last message sent to it. */
  cursor = 0;
  /** It was sent everything up to an end of the history that the engine named after it joined. */
  reached = false;
  /** Its index in the channel's `live`, -1 when it is not there. */
  index = -1;
  /** Whether session events have told of it. */
  announced = false;
  /** Set while the engine has not yet said where the channel stands. */
  joining: Promise<unknown> | undefined;

  constructor(session: HubSession, client: Client, channel: SubscribedChannel, lane: number) {
    this.session = session;
    this.client = client;
    this.channel = channel;
    this.lane = lane;
  }
}

/** What the hub knows of a session, whichever connection it is on. */
export class HubSession {
  readonly sessionId: string;
  readonly userId: string;
  principal: Principal;
  /** The connection it is on, or was on last. */
  client: Client;
  /** Whether that connection is still there. */
  attached = true;
  /** Subscriptions of the connection, by channel. */
  readonly subscriptions = new Map<string, Subscription>();
  /** Channels where presence shows the session; they outlive a connection. */
  readonly present = new Set<string>();

  constructor(client: Client) {
    this.sessionId = client.sessionId;
    this.userId = client.principal.userId;
    this.principal = client.principal;
    this.client = client;
  }

  /** What others see of it. */
  entry(): PresenceEntry {
    const { userId, sessionId, principal } = this;
    return principal.info === undefined ? { userId, sessionId } : { userId, sessionId, info: principal.info };
  }
}

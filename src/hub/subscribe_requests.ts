/**
 * Requests to subscribe: one at a time for a channel of a session, decided before they take effect.
 *
 * @module
 */

import type { MaybePromise, Position } from "../engine/contract.ts";
import { ProtocolError } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { Admissions } from "./admissions.ts";
import type { Subscribed } from "./contract.ts";
import type { HubSession } from "./session.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** What requests need. */
interface SubscribeRequestParts {
  readonly subscriptions: Subscriptions;
  readonly admissions: Admissions;
  /** The session that a client's connection has. Throws ProtocolError when it has none. */
  readonly sessionOf: (client: Client) => HubSession;
}

/** Carries out requests of clients to subscribe. */
export class SubscribeRequests {
  readonly #parts: SubscribeRequestParts;

  constructor(parts: SubscribeRequestParts) {
    this.#parts = parts;
  }

  /** See `Hub.subscribe`. */
  subscribe(client: Client, name: string, lane: number, since?: Position): MaybePromise<Subscribed> {
    const { subscriptions, admissions, sessionOf } = this.#parts;
    const session = sessionOf(client);
    const known = session.subscriptions.get(name);
    const earlier = known?.joining ?? admissions.wait(client, name);
    if (earlier !== undefined) {
      // One at a time: an earlier request has to be answered and started before this one replaces it.
      const again = () => this.subscribe(client, name, lane, since);
      return earlier.then(again, again);
    }
    const refuse = (): void => {
      const refused = subscriptions.refuse(session, name);
      if (refused !== undefined) throw new ProtocolError(refused);
    };
    refuse();
    if (known !== undefined && since === undefined && known.state !== "stopped") {
      // The answer says that everything up to the channel's offset was sent.
      known.channel.flush();
      known.lane = lane;
      const offset = Math.max(known.cursor, known.channel.offset);
      return { state: { epoch: known.epoch, offset, recovered: false }, start() {}, abandon() {} };
    }
    const join = () => subscriptions.join(session, client, name, lane, since);
    if (known !== undefined) return join();
    return admissions.subscribeThen({ client, channel: name, resumed: false }, (later) => {
      if (later) {
        // Others may have come first while it was decided, and the session may have gone.
        sessionOf(client);
        refuse();
      }
      return join();
    });
  }
}

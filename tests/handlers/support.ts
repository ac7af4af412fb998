/**
 * Handlers behind a router, spoken to as a client would.
 *
 * @module
 */

import type { HandlerParts } from "../../src/handlers/contract.ts";
import { routes } from "../../src/handlers/mod.ts";
import type { Hub } from "../../src/hub/mod.ts";
import { checkEnvelope, type Message, type Payload } from "../../src/protocol/mod.ts";
import { Router } from "../../src/router/mod.ts";
import { type FakeClient, makeHub } from "../hub/support.ts";

/** How a message came. */
export interface Way {
  readonly id?: string;
  readonly re?: string;
  readonly lane?: number;
  readonly datagram?: boolean;
  readonly early?: boolean;
}

/** What a service is made with. */
export interface ServiceParts extends Partial<HandlerParts> {
  readonly maxMessage?: number;
}

/** All handlers on a hub. */
export class Service {
  readonly hub: Hub;
  readonly failures: unknown[];
  readonly router: Router;
  readonly #maxMessage: number | undefined;
  #ids = 0;

  /** `maxMessage`: what its clients are told; by default they keep their own limits. */
  constructor({ maxMessage, ...parts }: ServiceParts = {}, made = makeHub()) {
    this.#maxMessage = maxMessage;
    this.hub = made.hub;
    this.failures = made.failures;
    this.router = new Router(routes({ hub: made.hub, ...parts }));
  }

  /** Sends a message as `client`; resolves with the replies. Rejects with what the handler threw. */
  async say(client: FakeClient, type: string, payload: Payload, way: Way = {}): Promise<Message[]> {
    const { id = `i${++this.#ids}`, re, lane = 1, datagram = false, early = false } = way;
    const replies: Message[] = [];
    if (this.#maxMessage !== undefined) client.limits = { maxMessage: this.#maxMessage };
    const message: Message = re === undefined
      ? { type, id, timestamp: 0, payload }
      : { type, id, timestamp: 0, re, payload };
    await this.router.dispatch({
      client,
      message: checkEnvelope(message),
      lane,
      datagram,
      early,
      reply: (type, payload) => replies.push({ type, id: `r${id}`, timestamp: 0, re: id, payload }),
    });
    return replies;
  }
}

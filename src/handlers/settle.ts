/**
 * `settle`: which of the sender's messages a channel keeps, so that a client which has missed their acknowledgements
 * need not send them again.
 *
 * @module
 */

import { type Clock, systemClock } from "../async/clock.ts";
import type { Hub } from "../hub/mod.ts";
import { parsePayload, ProtocolError, type SettledMessage } from "../protocol/mod.ts";
import type { Client, Route, StateKey } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";
import { yieldBetweenReads } from "./yielding.ts";

/** Messages read at once, and about how many bytes of them. */
const PAGE = 256, PAGE_BYTES = 256 * 1024;
/** Messages looked at, newest first: a channel may keep more, but a client does not wait while so many come. */
const MOST = 100_000;
/** Messages of a connection that may be looked at in one go, and how many more of them each second. */
const BURST = 200_000, PER_SECOND = 10_000;
/** Requests of a connection that may wait for an earlier one: a client asks once for each channel it has sent to. */
const WAITING = 256;

/** What the requests of one connection have cost. They are answered one after the other. */
interface Cost {
  /** Messages that may still be looked at; negative: a debt. */
  left: number;
  /** When `left` was counted, in milliseconds of a clock that only goes forward. */
  at: number;
  waiting: number;
  last: Promise<unknown>;
}

const COST: StateKey<Cost> = {
  create: () => ({ left: BURST, at: 0, waiting: 0, last: Promise.resolve() }),
};

/** The route of `settle`. Needs no right: it tells of the sender's own messages alone. */
export function settleRoutes({ hub, clock = systemClock }: HandlerParts): Route[] {
  return [{
    type: "settle",
    handler: async (context) => {
      const { channel, ids } = parsePayload("settle", context.message.payload);
      const { client } = context;
      const cost = client.state(COST);
      if (cost.waiting >= WAITING) {
        throw new ProtocolError("rate_limited", "too many settle at once", { retryAfter: 1000 });
      }
      cost.waiting++;
      const found = cost.last.then(() => find(hub, client, channel, new Set(ids), cost, clock));
      cost.last = found.catch(() => {});
      try {
        context.reply("settled", { channel, ...await found });
      } finally {
        cost.waiting--;
      }
    },
  }];
}

async function find(
  hub: Hub,
  { principal: { userId }, closed }: Client,
  channel: string,
  wanted: Set<string>,
  cost: Cost,
  clock: Clock,
): Promise<{ epoch: string; messages: SettledMessage[] }> {
  refuseDebt(cost, clock.now());
  const pause = yieldBetweenReads();
  const messages: SettledMessage[] = [];
  let since: number | undefined;
  for (let looked = 0;;) {
    await pause();
    if (closed.aborted) throw new ProtocolError("not_available", "the connection has ended");
    const options = { reverse: true, limit: PAGE, bytes: PAGE_BYTES };
    const { epoch, records, more } = await hub.history(
      channel,
      since === undefined ? options : { ...options, since },
    );
    for (const { id, from, offset } of records) {
      since = offset;
      if (from === userId && wanted.delete(id)) messages.push({ id, offset });
    }
    looked += records.length;
    cost.left -= records.length;
    const isEnd = records.length < PAGE && more !== true;
    if (isEnd || wanted.size === 0 || looked >= MOST) return { epoch, messages };
  }
}

/** Throws ProtocolError `rate_limited` while the connection has looked at more than it may. */
function refuseDebt(cost: Cost, now: number): void {
  cost.left = Math.min(BURST, cost.left + Math.max(0, now - cost.at) * PER_SECOND / 1000);
  cost.at = now;
  if (cost.left > 0) return;
  const retryAfter = Math.ceil((1 - cost.left) * 1000 / PER_SECOND);
  throw new ProtocolError("rate_limited", "too much history was looked through", { retryAfter });
}

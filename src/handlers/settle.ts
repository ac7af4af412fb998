/**
 * `settle`: which of the sender's messages a channel keeps, so that a client which has missed their acknowledgements
 * need not send them again.
 *
 * @module
 */

import type { Hub } from "../hub/mod.ts";
import { parsePayload, type SettledMessage } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";

/** Messages read at once. */
const PAGE = 256;
/** Messages looked at, newest first: a channel may keep more, but a client does not wait while so many come. */
const MOST = 100_000;

/** The route of `settle`. Needs no right: it tells of the sender's own messages alone. */
export function settleRoutes({ hub }: HandlerParts): Route[] {
  return [{
    type: "settle",
    handler: async (context) => {
      const { channel, ids } = parsePayload("settle", context.message.payload);
      const { userId } = context.client.principal;
      context.reply("settled", { channel, ...await find(hub, channel, new Set(ids), userId) });
    },
  }];
}

async function find(
  hub: Hub,
  channel: string,
  wanted: Set<string>,
  userId: string,
): Promise<{ epoch: string; messages: SettledMessage[] }> {
  const messages: SettledMessage[] = [];
  let since: number | undefined;
  for (let looked = 0;; looked += PAGE) {
    const options = { reverse: true, limit: PAGE };
    const { epoch, records } = await hub.history(
      channel,
      since === undefined ? options : { ...options, since },
    );
    for (const { id, from, offset } of records) {
      since = offset;
      if (from === userId && wanted.delete(id)) messages.push({ id, offset });
    }
    if (records.length < PAGE || wanted.size === 0 || looked >= MOST) return { epoch, messages };
  }
}

/**
 * `history`: a part of what a channel keeps, cut to fit a message.
 *
 * @module
 */

import type { Page, StoredRecord } from "../engine/contract.ts";
import { refuseSubscribe } from "../hub/mod.ts";
import { type History, parsePayload, type Payload } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import { refuse, when } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";
import { fitting } from "./fit.ts";

/** The route of `history`. */
export function historyRoutes({ hub }: HandlerParts): Route[] {
  return [{
    type: "history",
    handler: (context) => {
      const asked = parsePayload("history", context.message.payload);
      refuse(refuseSubscribe(context.client.principal, asked.channel, hub.namespace));
      const { since, limit, reverse } = asked;
      const room = context.client.limits.maxMessage;
      // One more than asked for tells whether there are more. No more bytes are read than the answer can hold.
      const options = { limit: limit + 1, reverse, bytes: room };
      const page = hub.history(asked.channel, since === undefined ? options : { ...options, since });
      return when(page, (page) => context.reply("history_response", answer(asked, page, room)));
    },
  }];
}

function answer({ channel, limit }: History, page: Page, room: number): Payload {
  const { epoch, offset, complete } = page;
  const all = page.records.slice(0, limit).map(entryOf);
  const messages = fitting(all, room);
  const more = page.more === true || messages.length < page.records.length;
  return { channel, epoch, offset, complete, more, messages };
}

function entryOf({ type, id, timestamp, from, offset, prev, payload }: StoredRecord): Payload {
  const entry: Payload = { type, id, timestamp, from, ...payload, offset, prev };
  // MessagePack has bytes only directly in a payload, and entries are in a list.
  if (entry.data instanceof Uint8Array) entry.data = entry.data.toBase64();
  return entry;
}

/**
 * `history`: a part of what a channel keeps, cut to fit a message.
 *
 * @module
 */

import { when } from "../async/when.ts";
import type { Page, StoredRecord } from "../engine/contract.ts";
import { shownPayload } from "../hub/mod.ts";
import { type History, parsePayload, type Payload } from "../protocol/mod.ts";
import type { ClientLimits, Route } from "../router/types.ts";
import { refuse } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";
import { fitting } from "./fit.ts";

/** The route of `history`. */
export function historyRoutes({ hub }: HandlerParts): Route[] {
  return [{
    type: "history",
    handler: (context) => {
      const asked = parsePayload("history", context.message.payload);
      refuse(hub.refuseRead(context.client, asked.channel));
      const { since, limit, reverse } = asked;
      const { limits } = context.client;
      // One more than asked for tells whether there are more. No more bytes are read than the answer can hold.
      const options = { limit: limit + 1, reverse, bytes: limits.maxMessage };
      const page = hub.history(asked.channel, since === undefined ? options : { ...options, since });
      return when(page, (page) => context.reply("history_response", answer(asked, page, limits)));
    },
  }];
}

function answer({ channel, limit }: History, page: Page, limits: ClientLimits): Payload {
  const { epoch, offset, complete } = page;
  const all = page.records.slice(0, limit).map((record) => entryOf(record, limits));
  const messages = fitting(all, limits.maxMessage);
  const more = page.more === true || messages.length < page.records.length;
  return { channel, epoch, offset, complete, more, messages };
}

function entryOf(record: StoredRecord, limits: ClientLimits): Payload {
  const { type, id, timestamp, from, offset, prev } = record;
  const entry: Payload = { type, id, timestamp, from, ...shownPayload(record.payload, limits), offset, prev };
  // MessagePack has bytes only directly in a payload, and entries are in a list.
  if (entry.data instanceof Uint8Array) entry.data = entry.data.toBase64();
  return entry;
}

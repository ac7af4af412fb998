/**
 * `read_up_to` and `unread`: how far a user has read a channel, and how much came after that.
 *
 * @module
 */

import type { StoredRecord } from "../engine/contract.ts";
import { type Hub, readPositionOf } from "../hub/mod.ts";
import { inboxOf, parsePayload, ProtocolError, serverRow, type UnreadCount } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import { refuse } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";
import { yieldBetweenReads } from "./yielding.ts";

/** Messages read from the engine at once, and about how many bytes of them. */
const PAGE = 200, PAGE_BYTES = 256 * 1024;

/** Routes of read positions. */
export function readPositionRoutes({ hub }: HandlerParts): Route[] {
  return [
    {
      type: "read_up_to",
      handler: async (context) => {
        const { channel, epoch, offset } = parsePayload("read_up_to", context.message.payload);
        const { principal, sessionId } = context.client;
        refuse(hub.refuseRead(context.client, channel));
        const end = await hub.position(channel);
        if (end.epoch !== epoch) throw new ProtocolError("wrong_epoch");
        if (offset > end.offset) {
          throw new ProtocolError("unknown_offset", "the channel does not reach that far");
        }
        const name = readPositionOf(principal.userId);
        const kept = offset === 0
          ? await hub.checkpoints.get(channel, name)
          : await hub.checkpoints.advance(channel, name, { epoch, offset });
        const payload = { channel, epoch, offset: kept?.epoch === epoch ? kept.offset : 0 };
        context.reply("read_position", payload);
        if (offset === 0 || payload.offset !== offset) return;
        const { id } = context.message;
        const message = { type: "read_position", id, from: principal.userId, sessionId, payload };
        hub.publishEphemeral(inboxOf(principal.userId), message);
      },
    },
    {
      type: "unread",
      handler: async (context) => {
        const { channels, limit } = parsePayload("unread", context.message.payload);
        const { principal } = context.client;
        const counts: Record<string, UnreadCount> = {};
        const refused: Record<string, string> = {};
        const pause = yieldBetweenReads();
        for (const channel of new Set(channels)) {
          const refusal = hub.refuseRead(context.client, channel);
          if (refusal !== undefined) {
            refused[channel] = refusal;
            continue;
          }
          counts[channel] = await count(hub, channel, principal.userId, limit, pause);
        }
        context.reply("unread_response", { channels: counts, refused });
      },
    },
  ];
}

async function count(
  hub: Hub,
  channel: string,
  userId: string,
  limit: number,
  pause: () => Promise<void> | undefined,
): Promise<UnreadCount> {
  const kept = await hub.checkpoints.get(channel, readPositionOf(userId));
  const { epoch } = await hub.position(channel);
  const offset = kept?.epoch === epoch ? kept.offset : 0;
  let unread = 0, since = offset, more = false;
  for (;;) {
    await pause();
    const page = await hub.history(channel, { since, limit: PAGE, bytes: PAGE_BYTES });
    if (!page.complete) more = true;
    for (const record of page.records) {
      if (!isUnread(record, userId)) continue;
      if (unread === limit) return { epoch, offset, unread, more: true };
      unread++;
    }
    if (page.records.length < PAGE && page.more !== true) return { epoch, offset, unread, more };
    since = page.records.at(-1)!.offset;
  }
}

function isUnread({ type, from, payload }: StoredRecord, userId: string): boolean {
  return serverRow(type)?.unread === true && from !== userId && payload.deleted === undefined;
}

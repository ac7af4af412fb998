/**
 * `received`: which direct messages a device has taken. Their senders are told by a message in their inbox, so that a
 * receipt waits for a sender who is away, and comes once.
 *
 * @module
 */

import type { StoredRecord } from "../engine/contract.ts";
import type { Hub } from "../hub/mod.ts";
import { inboxOf, parsePayload, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";

/** The route of `received`. A device speaks for its own user alone. */
export function receiptRoutes({ hub }: HandlerParts): Route[] {
  return [{
    type: "received",
    handler: async (context) => {
      const { channel, epoch, offsets } = parsePayload("received", context.message.payload);
      const { userId } = context.client.principal;
      if (channel !== inboxOf(userId)) throw new ProtocolError("permission_denied", "not the own inbox");
      for (const offset of new Set(offsets)) {
        const { epoch: current, record } = await hub.message(channel, offset);
        if (current !== epoch) throw new ProtocolError("wrong_epoch");
        if (record?.payload.receipt === true) await confirm(hub, userId, epoch, record);
      }
      context.reply("received_response", { channel });
    },
  }];
}

/** Tells the sender of `record`, unless that was done when another device took it. */
function confirm(hub: Hub, userId: string, epoch: string, record: StoredRecord): Promise<void> {
  const { id: message, from, offset } = record;
  const own = inboxOf(userId);
  const tell = () =>
    hub.publish({
      origin: "service",
      type: "delivered",
      channel: inboxOf(from),
      // Every device makes the same id, so the receipts of two at once are one message.
      id: `receipt-${epoch.slice(0, 32)}-${offset}`,
      from: userId,
      payload: { to: userId, message, target: offset, epoch },
    });
  // Remembered as long as the message is kept: after that no device can take it any more.
  const ttl = hub.settings(own)!.retention.age;
  return hub.checkpoints.once(own, `receipt ${offset}`, { epoch, offset }, ttl, tell);
}

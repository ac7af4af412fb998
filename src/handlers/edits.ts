/**
 * `chat_edit` and `chat_delete`: messages about an earlier one of the same sender, kept and delivered like any other. The
 * earlier one is changed in the history together with them, so that later readers find the new content alone.
 *
 * @module
 */

import { when } from "../async/when.ts";
import type { StoredRecord } from "../engine/contract.ts";
import { type Hub, refusePublish } from "../hub/mod.ts";
import { keptOf, parsePayload, type PriorityName, ProtocolError } from "../protocol/mod.ts";
import type { Context, Route } from "../router/types.ts";
import { refuse } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";
import { publishAndAcknowledge } from "./publish.ts";

/** Routes of edits and deletions. They may be sent again with the same id: only the first has an effect. */
export function editRoutes({ hub }: HandlerParts): Route[] {
  return [
    {
      type: "chat_edit",
      handler: (context) => {
        const { channel, target, epoch, after, ...said } = parsePayload("chat_edit", context.message.payload);
        return withOriginal(hub, context, { channel, target, epoch }, (original) => {
          const { deleted, priority } = original.payload;
          if (deleted !== undefined) throw new ProtocolError("unknown_message");
          // An edit that names no priority is as urgent as the message was.
          const content = keptOf({ priority: priority as PriorityName ?? "normal", ...said });
          return publishAndAcknowledge(hub, context, {
            channel,
            type: "chat_edit",
            payload: { target, ...content },
            after,
            edit: { kind: "replace", target, content },
          });
        });
      },
    },
    {
      type: "chat_delete",
      handler: (context) => {
        const { channel, target, epoch, after } = parsePayload("chat_delete", context.message.payload);
        return withOriginal(hub, context, { channel, target, epoch }, () => {
          return publishAndAcknowledge(hub, context, {
            channel,
            type: "chat_delete",
            payload: { target },
            after,
            edit: { kind: "erase", target },
          });
        });
      },
    },
  ];
}

function withOriginal(
  hub: Hub,
  { client: { principal } }: Context,
  { channel, target, epoch }: { channel: string; target: number; epoch: string | undefined },
  use: (original: StoredRecord) => void | Promise<void>,
): void | Promise<void> {
  refuse(refusePublish(principal, channel, hub.namespace));
  return when(hub.message(channel, target), ({ epoch: current, record: original }) => {
    // Another epoch has another message at that offset.
    if (epoch !== undefined && epoch !== current) throw new ProtocolError("wrong_epoch");
    if (original?.type !== "chat_message") throw new ProtocolError("unknown_message");
    if (original.from !== principal.userId) throw new ProtocolError("foreign_message");
    return use(original);
  });
}

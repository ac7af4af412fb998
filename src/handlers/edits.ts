/**
 * `chat_edit` and `chat_delete`: messages about an earlier one of the same sender, kept and delivered like any other. The
 * earlier one is changed in the history together with them, so that later readers find the new content alone.
 *
 * @module
 */

import type { Edit, StoredRecord } from "../engine/contract.ts";
import { type Hub, refusePublish } from "../hub/mod.ts";
import { contentOf, parsePayload, type Payload, ProtocolError } from "../protocol/mod.ts";
import type { Context, Route } from "../router/types.ts";
import { refuse, when } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";
import { publishAndAcknowledge } from "./publish.ts";

/** Routes of edits and deletions. They may be sent again with the same id: only the first has an effect. */
export function editRoutes({ hub }: HandlerParts): Route[] {
  return [
    {
      type: "chat_edit",
      handler: (context) => {
        const { channel, target, epoch, after, ...said } = parsePayload("chat_edit", context.message.payload);
        const content = contentOf(said);
        return withOriginal(hub, context, { channel, target, epoch }, (original) => {
          if (original.payload.deleted !== undefined) throw new ProtocolError("unknown_message");
          const change = (kept: Payload, by: number) => isGone(kept) ? kept : { ...content, edited: by };
          const amend: Edit = { offset: target, change, next: (before) => blankEdit(target, before) };
          return publishAndAcknowledge(hub, context, {
            channel,
            type: "chat_edit",
            payload: { target, ...content },
            after,
            edits: [amend],
          });
        });
      },
    },
    {
      type: "chat_delete",
      handler: (context) => {
        const { channel, target, epoch, after } = parsePayload("chat_delete", context.message.payload);
        return withOriginal(hub, context, { channel, target, epoch }, () => {
          const change = (kept: Payload, by: number) => isGone(kept) ? kept : { data: null, deleted: by };
          const amend: Edit = { offset: target, change, next: (before) => blankEdit(target, before) };
          return publishAndAcknowledge(hub, context, {
            channel,
            type: "chat_delete",
            payload: { target },
            after,
            edits: [amend],
          });
        });
      },
    },
  ];
}

function isGone(payload: Payload): boolean {
  return payload.deleted !== undefined;
}

/** The edit before this one says what no longer counts. Which one that is, is known when this one is committed. */
function blankEdit(target: number, { edited }: Payload): Edit | undefined {
  if (typeof edited !== "number") return undefined;
  return { offset: edited, change: (_kept, by) => ({ target, data: null, deleted: by }) };
}

function withOriginal(
  hub: Hub,
  { client: { principal } }: Context,
  { channel, target, epoch }: { channel: string; target: number; epoch: string | undefined },
  use: (original: StoredRecord) => void | Promise<void>,
): void | Promise<void> {
  refuse(refusePublish(principal, channel, hub.namespace));
  return when(hub.history(channel, { since: target - 1, limit: 1 }), (page) => {
    // Another epoch has another message at that offset.
    if (epoch !== undefined && epoch !== page.epoch) throw new ProtocolError("wrong_epoch");
    const [original] = page.records;
    if (original?.offset !== target || original.type !== "chat_message") {
      throw new ProtocolError("unknown_message");
    }
    if (original.from !== principal.userId) throw new ProtocolError("foreign_message");
    return use(original);
  });
}

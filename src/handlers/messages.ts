/**
 * `chat_message`, `direct_message` and `broadcast`: kept, acknowledged after the commit, delivered in order.
 *
 * @module
 */

import { isDocument, refusePublish } from "../hub/mod.ts";
import { BROADCAST_CHANNEL, contentOf, inboxOf, parsePayload, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import { needRight, refuse } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";
import { publishAndAcknowledge } from "./publish.ts";

/** Routes of kept messages. They may be sent again with the same id: only the first has an effect. */
export function messageRoutes({ hub }: HandlerParts): Route[] {
  return [
    {
      type: "chat_message",
      idempotent: true,
      handler: (context) => {
        const payload = parsePayload("chat_message", context.message.payload);
        const { channel } = payload;
        if (isDocument(channel)) throw new ProtocolError("not_a_document", "a document takes doc_op alone");
        refuse(refusePublish(context.client.principal, channel, hub.namespace));
        return publishAndAcknowledge(hub, context, channel, { ...contentOf(payload) });
      },
    },
    {
      type: "direct_message",
      idempotent: true,
      handler: (context) => {
        const payload = parsePayload("direct_message", context.message.payload);
        needRight(context, "direct_message");
        const { to } = payload;
        return publishAndAcknowledge(hub, context, inboxOf(to), { to, ...contentOf(payload) });
      },
    },
    {
      type: "broadcast",
      idempotent: true,
      handler: (context) => {
        const payload = parsePayload("broadcast", context.message.payload);
        needRight(context, "broadcast");
        return publishAndAcknowledge(hub, context, BROADCAST_CHANNEL, { ...contentOf(payload) });
      },
    },
  ];
}

/**
 * `chat_message`, `direct_message` and `broadcast`: kept, acknowledged and delivered in order.
 *
 * @module
 */

import { BROADCAST_CHANNEL, inboxOf, keptOf, parsePayload } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";
import { publishAndAcknowledge } from "./publish.ts";
import { giveTyped } from "./typed.ts";

/** Routes of kept messages. Of several with one id only the first has an effect. */
export function messageRoutes({ hub }: HandlerParts): Route[] {
  return [
    {
      type: "chat_message",
      handler: (context) => {
        const payload = parsePayload("chat_message", context.message.payload);
        const { channel, after, stream, text } = payload;
        if (text?.startsWith("/") && stream !== true) {
          const given = giveTyped(hub, context, channel, text, after);
          if (given instanceof Promise) return given;
          payload.text = given;
        }
        const said = keptOf(payload);
        return publishAndAcknowledge(hub, context, {
          channel,
          type: "chat_message",
          payload: stream === true ? { ...said, stream: "open" } : said,
          after,
        });
      },
    },
    {
      type: "direct_message",
      handler: (context) => {
        const payload = parsePayload("direct_message", context.message.payload);
        const { to, after, receipt } = payload;
        const said = { to, ...keptOf(payload) };
        return publishAndAcknowledge(hub, context, {
          channel: inboxOf(to),
          type: "direct_message",
          payload: receipt === true ? { ...said, receipt } : said,
          after,
        });
      },
    },
    {
      type: "broadcast",
      handler: (context) => {
        const payload = parsePayload("broadcast", context.message.payload);
        return publishAndAcknowledge(hub, context, {
          channel: BROADCAST_CHANNEL,
          type: "broadcast",
          payload: keptOf(payload),
          after: payload.after,
        });
      },
    },
  ];
}

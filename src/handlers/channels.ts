/**
 * `subscribe` and `unsubscribe`.
 *
 * @module
 */

import { when } from "../async/when.ts";
import { isBuiltIn } from "../hub/mod.ts";
import { parsePayload, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";

/** Routes of subscriptions. Deliveries of a channel go on the lane that `subscribe` came on. */
export function channelRoutes({ hub }: HandlerParts): Route[] {
  return [
    {
      type: "subscribe",
      handler: (context) => {
        const { channel, since } = parsePayload("subscribe", context.message.payload);
        return when(hub.subscribe(context.client, channel, context.lane, since), ({ state, start }) => {
          context.reply("subscribed", { channel, ...state });
          start();
        });
      },
    },
    {
      type: "unsubscribe",
      handler: (context) => {
        const { channel } = parsePayload("unsubscribe", context.message.payload);
        if (isBuiltIn(channel)) {
          throw new ProtocolError("permission_denied", "a session stays on its inbox and on broadcast:all");
        }
        if (!hub.unsubscribe(context.client, channel)) throw new ProtocolError("not_subscribed");
        context.reply("unsubscribed", { channel });
      },
    },
  ];
}

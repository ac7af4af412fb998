/**
 * `message_append`: pieces by which a streamed message of the sender's grows. Sent again they have no other effect.
 *
 * @module
 */

import { refusePublish } from "../hub/mod.ts";
import { parsePayload } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import { refuse } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";

/** The route of pieces. */
export function appendRoutes({ hub }: HandlerParts): Route[] {
  return [{
    type: "message_append",
    handler: async (context) => {
      const { channel, target, epoch, at, text, data, final: end } = parsePayload(
        "message_append",
        context.message.payload,
      );
      const { principal } = context.client;
      refuse(refusePublish(principal, channel, hub.namespace));
      const content = text ?? data as readonly unknown[];
      const length = await hub.append(channel, { target, epoch, at, content, end, from: principal.userId });
      context.reply("message_appended", { channel, target, length });
    },
  }];
}

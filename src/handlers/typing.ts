/**
 * `typing_start` and `typing_stop`: sent on to the others on the channel and not kept.
 *
 * @module
 */

import { refusePublish } from "../hub/mod.ts";
import { parsePayload, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import { refuse } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";

/** Routes of typing notices. They have no answer. */
export function typingRoutes({ hub }: HandlerParts): Route[] {
  return (["typing_start", "typing_stop"] as const).map((type) => ({
    type,
    handler: ({ client, message }) => {
      const { channel } = parsePayload(type, message.payload);
      if (!hub.isOn(client, channel)) throw new ProtocolError("not_subscribed");
      refuse(refusePublish(client.principal, channel, hub.namespace));
      const { sessionId, principal: { userId: from } } = client;
      hub.publishEphemeral(channel, { type, id: message.id, from, sessionId, payload: {} });
    },
  }));
}

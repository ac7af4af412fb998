/**
 * `presence` and `client_list`: who is on a channel, and who is connected.
 *
 * @module
 */

import { when } from "../async/when.ts";
import type { PresenceEntry } from "../engine/contract.ts";
import { isBuiltIn } from "../hub/mod.ts";
import { BROADCAST_CHANNEL, parsePayload, type PresentUser, ProtocolError } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import { needRight, refuse } from "./checks.ts";
import type { HandlerParts } from "./contract.ts";
import { fitting } from "./fit.ts";

/** Routes of presence. */
export function presenceRoutes({ hub }: HandlerParts): Route[] {
  return [
    {
      type: "presence",
      handler: (context) => {
        const { channel } = parsePayload("presence", context.message.payload);
        refuse(hub.refuseRead(context.client, channel));
        if (isBuiltIn(channel) || hub.settings(channel)?.presence !== true) {
          throw new ProtocolError("permission_denied", "presence is not given for this channel");
        }
        return when(hub.presence(channel), (entries) => {
          const users = usersOf(entries);
          const shown = fitting(users, context.client.limits.maxMessage);
          context.reply("presence_response", { channel, users: shown, total: users.length });
        });
      },
    },
    {
      type: "client_list",
      handler: (context) => {
        parsePayload("client_list", context.message.payload);
        needRight(context, "client_list");
        return when(hub.presence(BROADCAST_CHANNEL), (entries) => {
          const users = usersOf(entries);
          context.reply("client_list_response", {
            users: fitting(users, context.client.limits.maxMessage),
            total: users.length,
          });
        });
      },
    },
  ];
}

/** Users with their sessions, in the order they came. Each shows the `info` of its newest session that has any. */
function usersOf(entries: readonly PresenceEntry[]): PresentUser[] {
  const users = new Map<string, PresentUser>();
  for (const { userId, info } of entries) {
    const user = users.get(userId);
    if (user === undefined) users.set(userId, { userId, sessions: 1, ...(info && { info }) });
    else {
      user.sessions++;
      if (info !== undefined) user.info = info;
    }
  }
  return [...users.values()];
}

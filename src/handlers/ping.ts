/**
 * `ping` and `client_report`: what clients measure of their connection.
 *
 * @module
 */

import { parsePayload } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";

/** Routes of what clients measure. */
export function pingRoutes(): Route[] {
  return [
    {
      type: "ping",
      handler: (context) => {
        const { rtt } = parsePayload("ping", context.message.payload);
        if (rtt !== undefined) context.client.report({ rtt });
        context.reply("pong", {});
      },
    },
    {
      type: "client_report",
      handler: ({ client, message }) => client.report(parsePayload("client_report", message.payload)),
    },
  ];
}

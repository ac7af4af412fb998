/**
 * `ping` and `client_report`: what clients measure of their connection.
 *
 * @module
 */

import { parsePayload } from "../protocol/mod.ts";
import type { Route } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";

/** Routes of what clients measure. */
export function pingRoutes({ reports }: HandlerParts): Route[] {
  return [
    {
      type: "ping",
      handler: (context) => {
        const { rtt } = parsePayload("ping", context.message.payload);
        if (rtt !== undefined) reports?.rtt(context.client, rtt);
        context.reply("pong", {});
      },
    },
    {
      type: "client_report",
      handler: (context) => {
        const report = parsePayload("client_report", context.message.payload);
        reports?.report(context.client, report);
      },
    },
  ];
}

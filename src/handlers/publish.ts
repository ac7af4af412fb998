/**
 * Publishes and acknowledges messages of clients.
 *
 * @module
 */

import type { ClientRequest, Hub } from "../hub/mod.ts";
import type { Context } from "../router/types.ts";
import { when } from "./checks.ts";

/** Publishes what a client says and acknowledges it once it is committed. Throws or rejects as `Hub.publish` does. */
export function publishAndAcknowledge(
  hub: Hub,
  context: Context,
  { channel, type, payload, edits }: Pick<ClientRequest, "channel" | "type" | "payload" | "edits">,
): void | Promise<void> {
  const { client, form, message: { id } } = context;
  const published = hub.publish({ origin: "client", client, form, channel, type, id, payload, edits });
  return when(published, ({ offset, epoch, duplicate }) => {
    context.reply("message_ack", { channel, offset, epoch, duplicate });
  });
}

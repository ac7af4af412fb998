/**
 * Messages of clients that are kept: published and acknowledged.
 *
 * @module
 */

import type { Edit } from "../engine/contract.ts";
import type { Hub, Publication } from "../hub/mod.ts";
import type { Payload } from "../protocol/mod.ts";
import type { Context } from "../router/types.ts";
import { when } from "./checks.ts";

/**
 * Publishes what the client says and acknowledges it once it is committed. The same message sent again has one
 * effect: it is known by its sender and its id. `amend` changes earlier messages with it.
 */
export function publishAndAcknowledge(
  hub: Hub,
  context: Context,
  channel: string,
  payload: Payload,
  amend?: readonly Edit[],
): void | Promise<void> {
  const { message, client } = context;
  const from = client.principal.userId;
  const publication: Publication = { type: message.type, id: message.id, from, payload };
  // An id holds no space, so no two pairs make one key.
  const published = hub.publish(channel, publication, message.id + " " + from, amend);
  return when(published, ({ offset, epoch, duplicate }) => {
    context.reply("message_ack", { channel, offset, epoch, duplicate });
  });
}

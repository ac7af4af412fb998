/**
 * Commands that are typed as chat messages: `/poll start "Lunch?" tea coffee`.
 *
 * @module
 */

import { type Hub, readLine } from "../hub/mod.ts";
import { ProtocolError } from "../protocol/mod.ts";
import type { Context } from "../router/types.ts";
import { enterOrder } from "./send_order.ts";

/**
 * Gives a message that begins with a slash to the bot it is for, and acknowledges it; a promise: nothing of it is
 * published. A text: what is published in its place. Throws ProtocolError `too_early` for early data, which may come twice;
 * rejects as `BotService.ask`.
 */
export function giveTyped(
  hub: Hub,
  context: Context,
  channel: string,
  text: string,
  after: string | undefined,
): string | Promise<void> {
  const line = hub.settings(channel)?.commands === true ? readLine(text) : undefined;
  if (line === undefined) return text;
  if ("text" in line) return line.text;
  if (context.early) throw new ProtocolError("too_early");
  return give(hub, context, channel, line, after);
}

async function give(
  hub: Hub,
  context: Context,
  channel: string,
  line: { readonly word: string; readonly rest: string },
  after: string | undefined,
): Promise<void> {
  const { client, message: { id } } = context;
  const place = after === undefined ? undefined : enterOrder(client, channel, id, after);
  const { promise: told, resolve } = Promise.withResolvers<void>();
  try {
    const command = await hub.commands.typed({ client, id, channel, told, ...line });
    const { epoch } = await hub.position(channel);
    context.reply("message_ack", { channel, offset: 0, epoch, duplicate: false, command });
  } catch (error) {
    place?.refuse();
    throw error;
  } finally {
    resolve();
  }
}

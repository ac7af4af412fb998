/**
 * Messages of clients that are kept: published and acknowledged.
 *
 * @module
 */

import type { Published } from "../engine/contract.ts";
import type { ClientRequest, Hub } from "../hub/mod.ts";
import type { Context } from "../router/types.ts";
import { enterOrder } from "./send_order.ts";

/** What a handler publishes. */
export interface Publishing extends Pick<ClientRequest, "channel" | "type" | "payload" | "edit"> {
  /** The id of what the client sent before it to the channel, empty for the first. @default any order */
  readonly after?: string | undefined;
}

/**
 * Publishes what a client says and acknowledges it once it is committed. Throws or rejects as `Hub.publish` does, and
 * with `out_of_order` when the message before it was refused.
 */
export function publishAndAcknowledge(
  hub: Hub,
  context: Context,
  { channel, type, payload, edit, after }: Publishing,
): void | Promise<void> {
  const { client, form, message: { id } } = context;
  const acknowledge = ({ offset, epoch, duplicate }: Published): void => {
    context.reply("message_ack", { channel, offset, epoch, duplicate });
  };
  const place = after === undefined ? undefined : enterOrder(client, channel, id, after);
  const failed = (error: unknown): never => {
    place?.refuse();
    throw error;
  };
  try {
    const published = hub.publish({
      origin: "client",
      client,
      form,
      channel,
      type,
      id,
      payload,
      edit,
      place,
    });
    if (published instanceof Promise) return published.then(acknowledge, failed);
    acknowledge(published);
  } catch (error) {
    failed(error);
  }
}

/**
 * Keeps the order in which a client sent its messages when some are refused for now: whatever was sent behind a refused
 * one is refused too, and comes again after it.
 *
 * @module
 */

import { ProtocolError } from "../protocol/mod.ts";
import type { Client, StateKey } from "../router/types.ts";

/** Channels remembered for a connection; with more the memory begins anew, and a client has to send a message again. */
const MOST = 1024;

/** The last message taken of each channel of a connection; only of clients that say what they sent before (`after`). */
const TAKEN: StateKey<Map<string, string>> = { create: () => new Map() };

/**
 * Takes a message in: `after` is the id of the one that the client sent before it to the channel, empty for the first.
 * Throws ProtocolError `out_of_order` when that one was not taken.
 */
export function enterOrder(client: Client, channel: string, id: string, after: string): void {
  const last = client.state(TAKEN);
  if (after !== "" && last.get(channel) !== after) throw new ProtocolError("out_of_order");
  if (last.size >= MOST) last.clear();
  last.set(channel, id);
}

/** The last message of `channel` is refused after all. Those that name it in `after` are refused, too. */
export function leaveOrder(client: Client, channel: string): void {
  client.state(TAKEN).delete(channel);
}

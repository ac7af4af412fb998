/**
 * Keeps the order in which a client sent its messages when some are refused for now: whatever was sent behind a refused
 * one is refused too, and comes again after it.
 *
 * @module
 */

import type { SendPlace } from "../hub/mod.ts";
import { ProtocolError } from "../protocol/mod.ts";
import type { Client, StateKey } from "../router/types.ts";

/** Channels remembered for a connection; with more the memory begins anew, and a client has to send a message again. */
const MOST = 1024;

/** Messages of a connection to one channel that name each other in `after`. The client begins another run after a refusal. */
interface Run {
  /** The id of the last message taken. */
  last: string;
  length: number;
  /** The place of the first message that was refused after all. */
  refused: number;
}

/** The run of each channel of a connection; only of clients that say what they sent before (`after`). */
const RUNS: StateKey<Map<string, Run>> = { create: () => new Map() };

/**
 * Takes a message in: `after` is the id of the one that the client sent before it to the channel, empty for the first.
 * Throws ProtocolError `out_of_order` when that one was not taken.
 */
export function enterOrder(client: Client, channel: string, id: string, after: string): SendPlace {
  const runs = client.state(RUNS);
  if (after === "") {
    if (runs.size >= MOST) runs.clear();
    runs.set(channel, { last: "", length: 0, refused: Infinity });
  }
  const run = runs.get(channel);
  if (run === undefined || (after !== "" && run.last !== after)) throw new ProtocolError("out_of_order");
  const at = run.length++;
  run.last = id;
  return {
    confirm() {
      if (at > run.refused) throw new ProtocolError("out_of_order");
    },
    refuse() {
      run.refused = Math.min(run.refused, at);
      // A client that has begun anew since has sent this message again.
      if (runs.get(channel) === run) runs.delete(channel);
    },
  };
}

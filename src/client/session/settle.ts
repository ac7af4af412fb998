/**
 * Asks which messages of the outbox the server has committed already. After a long absence it may have forgotten their
 * ids, and what is sent again then would be said twice.
 *
 * @module
 */

import type { MessageAck } from "../../protocol/mod.ts";
import { delay } from "../../async/deadline.ts";
import type { Clock } from "../clock.ts";
import type { SkeinError } from "../errors.ts";
import type { OutboxEntry } from "../outbox/outbox.ts";
import type { Requests } from "./requests.ts";

/** Most ids of one question. */
const MOST = 256;
/** Milliseconds before a question is asked again that could not be answered for now. */
const AGAIN = 1000;

/**
 * Asks about `entries` and calls `found` with each that is committed. Never rejects: what the server will not tell
 * counts as not committed. Asks no more once it `isOver`.
 */
export async function settle(
  requests: Requests,
  clock: Clock,
  entries: readonly OutboxEntry[],
  isOver: () => boolean,
  found: (entry: OutboxEntry, ack: MessageAck) => void,
): Promise<void> {
  const byTarget = new Map<string, Map<string, OutboxEntry>[]>();
  for (const entry of entries) {
    const groups = byTarget.get(entry.target) ?? [];
    byTarget.set(entry.target, groups);
    if ((groups.at(-1)?.size ?? MOST) === MOST) groups.push(new Map());
    groups.at(-1)!.set(entry.id, entry);
  }
  const ask = async (channel: string, group: Map<string, OutboxEntry>): Promise<void> => {
    while (!isOver()) {
      try {
        const { epoch, messages } = await requests.ask("settle", { channel, ids: [...group.keys()] });
        for (const { id, offset } of messages) {
          const entry = group.get(id);
          if (entry !== undefined) found(entry, { channel, epoch, offset, duplicate: true });
        }
        return;
      } catch (error) {
        if (!(error as SkeinError).temporary) return;
        await delay((error as SkeinError).retryAfter ?? AGAIN, { timers: clock });
      }
    }
  };
  const groups = [...byTarget].flatMap(([channel, groups]) => groups.map((group) => ask(channel, group)));
  await Promise.all(groups);
}

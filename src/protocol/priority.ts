/**
 * Priorities of messages, and the order in which messages wait that have them.
 *
 * Priority decides between channels, never within one: messages of a channel are delivered in the order of their
 * offsets, so an urgent one takes those that wait before it in its channel along. Like a lock that lends its holder the
 * priority of whoever waits for it, they count as urgent from then on.
 *
 * @module
 */

/** How urgent a message is: its class of the 0 to 255 that streams and lanes have, too. */
const PRIORITIES = { high: 192, normal: 128, low: 64 } as const satisfies Record<PriorityName, number>;

/** The name of a priority. */
export type PriorityName = "high" | "normal" | "low";

/** The names, most urgent first. */
export const PRIORITY_NAMES = Object.keys(PRIORITIES) as readonly PriorityName[];

/** The priority of messages that name none. */
export const NORMAL: number = PRIORITIES.normal;

/** Waiting messages that one may overtake at most: it bounds the work of one message in a queue that is long. */
const MOST_OVERTAKEN = 512;

/** Whether `name` names a priority. */
export function isPriorityName(name: unknown): name is PriorityName {
  return typeof name === "string" && Object.hasOwn(PRIORITIES, name);
}

/** The number of a priority; a name that this version does not know is the usual one. */
export function priorityOf(name: unknown): number {
  return isPriorityName(name) ? PRIORITIES[name] : NORMAL;
}

/**
 * Adds `item` to what waits from `head` on: before the less urgent ones at the end of the queue, after all of its own
 * channel, whose `priority` is raised to its own. `channelOf` says whose order a message keeps; one without a channel is overtaken by
 * nothing, and overtakes nothing.
 */
export function place<T extends { priority: number }>(
  items: T[],
  head: number,
  item: T,
  channelOf: (item: T) => string | undefined,
): void {
  const { priority } = item;
  let at = items.length;
  if (at <= head || items[at - 1]!.priority >= priority) return void items.push(item);
  const channel = channelOf(item);
  const last = Math.max(head, at - MOST_OVERTAKEN);
  while (channel !== undefined && at > last) {
    const before = items[at - 1]!;
    if (before.priority >= priority || channelOf(before) === undefined) break;
    at--;
  }
  const own: T[] = [], others: T[] = [];
  for (const waiting of items.splice(at)) {
    if (channelOf(waiting) === channel) {
      waiting.priority = priority;
      own.push(waiting);
    } else others.push(waiting);
  }
  items.push(...own, item, ...others);
}

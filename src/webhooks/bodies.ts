/**
 * Bodies of requests to endpoints.
 *
 * @module
 */

import type { Queued } from "./queue.ts";

/** A request with one event, or with a list of them. */
export function requestOf(queued: readonly Queued[], isBatch: boolean): { id: string; body: string } {
  const first = queued[0]!.event;
  if (!isBatch) {
    return { id: first.id, body: JSON.stringify(bodyOf(first.type, first.timestamp, first.data)) };
  }
  const events = queued.map(({ event: { id, type, timestamp, data } }) => ({
    id,
    ...bodyOf(type, timestamp, data),
  }));
  const newest = queued.at(-1)!.event.timestamp;
  // The same events make the same id.
  return { id: `${first.id}_${queued.length}`, body: JSON.stringify(bodyOf("batch", newest, { events })) };
}

/** The form of every body: `type`, `timestamp`, `data`, as Standard Webhooks recommends. */
export function bodyOf(type: string, timestamp: number, data: unknown): Record<string, unknown> {
  return { type, timestamp: new Date(timestamp).toISOString(), data };
}

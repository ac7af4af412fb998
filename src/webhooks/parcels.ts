/**
 * Events on their way to an endpoint, put together into requests.
 *
 * @module
 */

import type { Endpoint } from "./contract.ts";
import type { Queued } from "./queue.ts";

/** Bytes of the events in one request, about. */
const MAX_BODY = 1_048_576;

/** Some events in one request. */
export interface Parcel {
  readonly queued: readonly Queued[];
  /** Where its offsets are open. */
  readonly open: Set<number>;
  /** Requests that were made with it. */
  attempts: number;
  /** When it may go, on the clock's `now`. */
  nextAt: number;
  /** Why the last request failed. */
  failure: string;
  /** When its events were read from the queue, on the clock's `now`. */
  readAt: number;
}

/** Takes events for one request from the front of `loose`, which holds one at least. */
export function takeSome(loose: Queued[], { size }: Endpoint["batch"]): Queued[] {
  let count = 0, bytes = 0;
  while (count < size && count < loose.length && (count === 0 || bytes < MAX_BODY)) {
    bytes += JSON.stringify(loose[count]!.event.data).length;
    count++;
  }
  return loose.splice(0, count);
}

/** The same events, each on its own, to go at `nextAt`. */
export function apart(parcel: Parcel, nextAt: number, failure: string): Parcel[] {
  return parcel.queued.map((one) => ({ ...parcel, queued: [one], nextAt, failure }));
}

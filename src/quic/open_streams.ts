/**
 * The streams of a connection that are open now.
 *
 * @module
 */

import type { ReceiveHalf } from "./receive_stream.ts";
import type { SendHalf } from "./send_stream.ts";
import type { TrafficCounters } from "./traffic_counters.ts";

/** The halves of one stream. */
export interface Halves {
  send?: SendHalf;
  receive?: ReceiveHalf;
}

/** Holds open streams: one that is collected unread would look like a cancelled one to the peer. */
export class OpenStreams {
  readonly #counters: TrafficCounters;
  readonly #open = new Set<Halves>();
  /** Streams that failed with the connection and are still the runtime's. */
  #failed: SendHalf[] | undefined;
  #failure: unknown;

  constructor(counters: TrafficCounters) {
    this.#counters = counters;
  }

  /** How many there are. */
  get size(): number {
    return this.#open.size;
  }

  /** Holds a stream. The connection may have ended while it was made: it fails then. */
  hold(halves: Halves): void {
    this.#open.add(halves);
    if (this.#failure !== undefined) this.#fail(halves);
  }

  /** Lets go of a stream when both its halves have ended. @returns Whether they have. */
  ended(halves: Halves): boolean {
    if (halves.send?.ended === false || halves.receive?.ended === false) return false;
    if (!this.#open.delete(halves)) return false;
    this.#counters.streamsClosed++;
    return true;
  }

  /** The connection has ended: every stream fails with `error`, and what is opened later too. */
  failAll(error: unknown): void {
    this.#failure = error;
    for (const halves of [...this.#open]) this.#fail(halves);
  }

  #fail(halves: Halves): void {
    if (halves.send?.ended === false) (this.#failed ??= []).push(halves.send);
    halves.send?.fail(this.#failure);
    halves.receive?.fail(this.#failure);
    this.ended(halves);
  }

  /**
   * The transport is gone: frees what failed with the connection. Earlier this would send a clean end of each stream
   * (Deno has no RESET_STREAM), and the peer would take what it has for the whole.
   */
  free(): void {
    for (const send of this.#failed ?? []) send.free();
    this.#failed = undefined;
  }
}

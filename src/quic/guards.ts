/**
 * What stands between the peer and the application: checks of streams and datagrams. Servers alone have them, so that
 * browsers do not carry them.
 *
 * @module
 */

import type { BaseConnection } from "./connection.ts";
import { AsyncQueue } from "./queue.ts";
import type { BidirectionalStream, ReceiveStream } from "./types.ts";

/** What stands between the peer and the application; see `Validator` and `RateLimiter`. */
export interface Guards {
  /** Streams that may wait to be taken. */
  readonly maxStreams: number;
  /** Whether a stream is handed out. */
  readonly stream?: ((stream: ReceiveStream) => Promise<boolean>) | undefined;
  /** Whether a datagram is handed out. */
  readonly datagram?: ((bytes: Uint8Array) => boolean) | undefined;
}

/** Puts checks between the peer and the application. To be called before the connection is handed out. */
export function guard(connection: BaseConnection, { maxStreams, stream, datagram }: Guards): void {
  connection.datagrams.accepts = datagram;
  if (stream === undefined) return;
  const { incomingBidirectionalStreams: both, incomingUnidirectionalStreams: one } = connection;
  connection.incomingBidirectionalStreams = checked(both, maxStreams, stream);
  connection.incomingUnidirectionalStreams = checked(one, maxStreams, stream);
}

/** Gives back a bidirectional stream of the peer that was taken: it comes first again. */
export function putBack(connection: BaseConnection, stream: BidirectionalStream): void {
  connection.incomingBidirectionalStreams = prepended(stream, connection.incomingBidirectionalStreams);
}

/** A stream that can be given up. */
interface Refusable {
  cancel(reason?: unknown): void;
  abort?(reason?: unknown): void;
}

/** Gives up a stream of the peer in both directions. */
export function refuseStream(stream: Refusable): void {
  stream.cancel();
  stream.abort?.();
}

/** `first` before the rest of `streams`. */
function prepended<S>(first: S, streams: AsyncIterable<S>): AsyncIterable<S> {
  let taken = false;
  return {
    [Symbol.asyncIterator]() {
      const rest = streams[Symbol.asyncIterator]();
      return {
        next() {
          if (taken) return rest.next();
          taken = true;
          return Promise.resolve({ done: false, value: first });
        },
      };
    },
  };
}

/**
 * Streams that pass a check first. Each is checked on its own: one that has to wait holds up no other. Refused ones are
 * given up.
 *
 * @param limit Streams that may wait to be taken; the peer's stream limit is below it.
 * @param check Whether a stream is handed out; a rejection refuses it.
 */
function checked<S extends Refusable>(
  streams: AsyncIterable<S>,
  limit: number,
  check: (stream: S) => Promise<boolean>,
): AsyncIterable<S> {
  const queue = new AsyncQueue<S>(limit, refuseStream);
  const pass = async (stream: S): Promise<void> => {
    if (await check(stream).catch(() => false)) queue.push(stream);
    else refuseStream(stream);
  };
  const pump = async (): Promise<void> => {
    for await (const stream of streams) void pass(stream);
    queue.end();
  };
  void pump();
  return queue;
}

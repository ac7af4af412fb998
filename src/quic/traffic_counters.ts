/**
 * What a connection has carried: counted where bytes pass, read when asked for.
 *
 * @module
 */

import type { ConnectionStats } from "./types.ts";

/** Counters of one connection. */
export class TrafficCounters {
  bytesSent = 0;
  bytesReceived = 0;
  datagramsSent = 0;
  datagramsReceived = 0;
  datagramsDropped = 0;
  streamsOpened = 0;
  streamsAccepted = 0;
  streamsClosed = 0;
  migrations = 0;
  readonly openedAt: number = Date.now();
  lastActivityAt: number = this.openedAt;

  /** Bytes of a stream went out. */
  sent(bytes: number): void {
    this.bytesSent += bytes;
  }

  /** Bytes of a stream came in. */
  received(bytes: number): void {
    this.bytesReceived += bytes;
    this.lastActivityAt = Date.now();
  }

  /** A datagram came in. */
  receivedDatagram(bytes: number): void {
    this.datagramsReceived++;
    this.received(bytes);
  }

  /** A datagram went out. */
  sentDatagram(bytes: number): void {
    this.datagramsSent++;
    this.sent(bytes);
  }

  /** The counters now, with what others know. */
  stats(also: Pick<ConnectionStats, "streamsActive" | "rtt">): ConnectionStats {
    return {
      bytesSent: this.bytesSent,
      bytesReceived: this.bytesReceived,
      datagramsSent: this.datagramsSent,
      datagramsReceived: this.datagramsReceived,
      datagramsDropped: this.datagramsDropped,
      streamsOpened: this.streamsOpened,
      streamsAccepted: this.streamsAccepted,
      streamsClosed: this.streamsClosed,
      streamsActive: also.streamsActive,
      rtt: also.rtt,
      migrations: this.migrations,
      openedAt: this.openedAt,
      lastActivityAt: this.lastActivityAt,
    };
  }
}

/** Sums over connections, those that have ended among them. */
export class TrafficTotal {
  readonly #live = new Set<{ stats(): ConnectionStats }>();
  #ended = { bytesSent: 0, bytesReceived: 0, streamsOpened: 0, streamsAccepted: 0 };

  /** How many live. */
  get active(): number {
    return this.#live.size;
  }

  /** Counts a connection in until `ended` resolves. */
  add(connection: { stats(): ConnectionStats; readonly closed: Promise<unknown> }): void {
    this.#live.add(connection);
    void connection.closed.then(() => {
      this.#live.delete(connection);
      this.#ended = plus(this.#ended, connection.stats());
    });
  }

  /** The sums now. */
  sum(): Pick<ConnectionStats, "bytesSent" | "bytesReceived" | "streamsOpened" | "streamsAccepted"> {
    let sum = this.#ended;
    for (const connection of this.#live) sum = plus(sum, connection.stats());
    return sum;
  }
}

type Sums = Pick<ConnectionStats, "bytesSent" | "bytesReceived" | "streamsOpened" | "streamsAccepted">;

function plus(a: Sums, b: Sums): Sums {
  return {
    bytesSent: a.bytesSent + b.bytesSent,
    bytesReceived: a.bytesReceived + b.bytesReceived,
    streamsOpened: a.streamsOpened + b.streamsOpened,
    streamsAccepted: a.streamsAccepted + b.streamsAccepted,
  };
}

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
  streamsOpened = 0;
  streamsAccepted = 0;
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

  /** The counters now. */
  stats(streamsActive: number): ConnectionStats {
    return {
      bytesSent: this.bytesSent,
      bytesReceived: this.bytesReceived,
      datagramsSent: this.datagramsSent,
      datagramsReceived: this.datagramsReceived,
      streamsOpened: this.streamsOpened,
      streamsAccepted: this.streamsAccepted,
      streamsActive,
      migrations: this.migrations,
      openedAt: this.openedAt,
      lastActivityAt: this.lastActivityAt,
    };
  }
}

/**
 * What a client measures of its own connection.
 *
 * @module
 */

import type { ClientTransportKind, TransportTraffic } from "../transport/contract.ts";

/** Longest round trip that servers are told of, in milliseconds. */
export const MAX_RTT = 600_000;

/** Measurements of a client; figures that are not known yet are null. */
export interface ClientMetrics {
  /** What carries the session now. */
  readonly transport: ClientTransportKind | null;
  /** Bytes a second since the last measurement. */
  readonly throughput: { readonly in: number; readonly out: number };
  /** Bytes and messages since the client was made. */
  readonly traffic: Readonly<TransportTraffic>;
  /** Milliseconds of round trip over the last pings. */
  readonly rtt: { readonly p50: number; readonly p99: number } | null;
  /** Share of numbered datagrams that did not come back, 0 to 1; null where there are none. */
  readonly loss: number | null;
  /** Connections after the first. */
  readonly reconnects: number;
  /** Times WebSocket was taken because QUIC did not come through. */
  readonly fallbacks: number;
  /** Milliseconds from the first dial to the first answer. */
  readonly connectTime: number | null;
  /** When anything came from the server last, in milliseconds since the epoch; null before. */
  readonly lastActivity: number | null;
}

const WINDOW = 128;

/** Collects measurements. */
export class Meter {
  #rtts: number[] = [];
  #datagrams: boolean[] = [];
  #past: TransportTraffic = { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
  #current: { kind: ClientTransportKind; traffic: TransportTraffic } | undefined;
  #last = { at: 0, bytesIn: 0, bytesOut: 0 };
  #connections = 0;
  #fallbacks = 0;
  #connectTime: number | null = null;
  #lastActivity: number | null = null;

  constructor(now: number) {
    this.#last.at = now;
  }

  /** Another connection carries the session. */
  connected(kind: ClientTransportKind, traffic: TransportTraffic, connectTime: number): void {
    this.disconnected();
    this.#current = { kind, traffic };
    this.#connections++;
    this.#connectTime ??= connectTime;
    // Round trips and losses of the earlier path say nothing of this one.
    this.#rtts = [];
    this.#datagrams = [];
  }

  /** No connection carries the session. */
  disconnected(): void {
    if (this.#current === undefined) return;
    this.#past = sum(this.#past, this.#current.traffic);
    this.#current = undefined;
  }

  /** QUIC did not come through and WebSocket did. */
  fellBack(): void {
    this.#fallbacks++;
  }

  /** A round trip took `ms`. */
  roundTrip(ms: number): void {
    this.#rtts.push(ms);
    if (this.#rtts.length > WINDOW) this.#rtts.shift();
  }

  /** A numbered datagram came back, or did not. */
  datagram(lost: boolean): void {
    this.#datagrams.push(lost);
    if (this.#datagrams.length > WINDOW) this.#datagrams.shift();
  }

  /** Something came, at `at` milliseconds since the epoch. */
  active(at: number): void {
    this.#lastActivity = at;
  }

  /** Median round trip in milliseconds; undefined while none is known. */
  get rtt(): number | undefined {
    return percentile(this.#rtts, 0.5);
  }

  /** What is known now; begins the next interval of `throughput`. */
  measure(now: number): ClientMetrics {
    const traffic = this.#current === undefined ? { ...this.#past } : sum(this.#past, this.#current.traffic);
    const seconds = Math.max(now - this.#last.at, 1) / 1000;
    const throughput = {
      in: (traffic.bytesIn - this.#last.bytesIn) / seconds,
      out: (traffic.bytesOut - this.#last.bytesOut) / seconds,
    };
    this.#last = { at: now, bytesIn: traffic.bytesIn, bytesOut: traffic.bytesOut };
    const p50 = percentile(this.#rtts, 0.5);
    const lost = this.#datagrams.filter(Boolean).length;
    return {
      transport: this.#current?.kind ?? null,
      throughput,
      traffic,
      rtt: p50 === undefined ? null : { p50, p99: percentile(this.#rtts, 0.99)! },
      loss: this.#datagrams.length === 0 ? null : lost / this.#datagrams.length,
      reconnects: Math.max(0, this.#connections - 1),
      fallbacks: this.#fallbacks,
      connectTime: this.#connectTime,
      lastActivity: this.#lastActivity,
    };
  }
}

/**
 * The smallest sample that `share` of all samples do not exceed (nearest rank); undefined when there are none.
 * Exported for tests.
 */
export function percentile(samples: readonly number[], share: number): number | undefined {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

function sum(a: TransportTraffic, b: TransportTraffic): TransportTraffic {
  return {
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    messagesIn: a.messagesIn + b.messagesIn,
    messagesOut: a.messagesOut + b.messagesOut,
  };
}

/**
 * Sums of traffic by transport.
 *
 * @module
 */

import type { Traffic, TransportKind } from "../transport/contract.ts";

/** Traffic of each transport. */
export type TrafficByTransport = Record<TransportKind, Traffic>;

/** No traffic. */
export function noTraffic(): TrafficByTransport {
  const none = (): Traffic => ({ bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 });
  return { webtransport: none(), quic: none(), websocket: none(), memory: none() };
}

/** Adds `more` to `total`. */
export function addTraffic(total: Traffic, more: Traffic): void {
  total.bytesIn += more.bytesIn;
  total.bytesOut += more.bytesOut;
  total.messagesIn += more.messagesIn;
  total.messagesOut += more.messagesOut;
}

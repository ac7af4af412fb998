/**
 * `client_report`: what a client measured of its own connection. No reply.
 *
 * @module
 */

import * as v from "valibot";
import { flag, integer, number, type Schema, type Schemas, shape, text } from "./fields.ts";
import { MAX_RTT } from "./ping.ts";

/** Transports that a client may have failed on. The list is fixed because they become labels of a metric. */
export const REPORTED_TRANSPORTS = ["webtransport", "quic", "websocket"] as const;

/** A client's report; every field is optional. */
export interface Report {
  /** The transport that failed before this one was used. */
  fallbackFrom?: typeof REPORTED_TRANSPORTS[number];
  /** Why that one failed, in words for the operator's log. */
  fallbackReason?: string;
  /** Milliseconds from the first dial to the first `auth_response`. */
  connectTime?: number;
  /** Connections of the session after the first. */
  reconnects?: number;
  /** Share of datagrams lost, 0 to 1. */
  loss?: number;
  /** Milliseconds of round trip. */
  rtt?: number;
  /** The network changed and the connection did not survive it. */
  migrationFailed?: boolean;
}

/** Longest `fallbackReason`, in UTF-16 units: it becomes part of a log line. */
const MAX_FALLBACK_REASON = 200;

const report: Schema<Report> = shape({
  fallbackFrom: v.exactOptional(v.picklist(REPORTED_TRANSPORTS, `one of ${REPORTED_TRANSPORTS.join(", ")}`)),
  fallbackReason: v.exactOptional(text(MAX_FALLBACK_REASON)),
  connectTime: v.exactOptional(number(0, 86_400_000)),
  reconnects: v.exactOptional(integer(0)),
  loss: v.exactOptional(number(0, 1)),
  rtt: v.exactOptional(number(0, MAX_RTT)),
  migrationFailed: v.exactOptional(flag()),
});

/** What a client sends. */
export interface ReportClientPayloads {
  client_report: Report;
}

/** Its schemas. */
export const REPORT_CLIENT: Schemas<ReportClientPayloads> = {
  client_report: report,
};

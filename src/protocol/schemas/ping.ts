/**
 * `ping` -> `pong`.
 *
 * @module
 */

import * as v from "valibot";
import { ProtocolError } from "../errors.ts";
import type { Payload } from "../message.ts";
import { number, type Schema, type Schemas, shape } from "./fields.ts";

/** Longest round trip a client may report, in milliseconds. */
export const MAX_RTT = 600_000;

/** A sign of life. */
export interface Ping {
  /** Milliseconds the last round trip took, as the client measured it. */
  rtt?: number;
}

/** The answer. */
export type Pong = Record<never, never>;

/** `parsePing` checks the same, faster. */
const ping: Schema<Ping> = shape({ rtt: v.exactOptional(number(0, MAX_RTT)) });

const pong: Schema<Pong> = shape({});

/** Checks `ping`; written by hand because every client sends it all the time. Throws ProtocolError `bad_payload`. */
export function parsePing(payload: Payload): Ping {
  const { rtt } = payload;
  if (rtt === undefined) return {};
  if (typeof rtt === "number" && rtt >= 0 && rtt <= MAX_RTT) return { rtt };
  throw new ProtocolError("bad_payload", `rtt: a number from 0 to ${MAX_RTT}`);
}

/** What a client sends. */
export interface PingClientPayloads {
  ping: Ping;
}

/** Its schemas. */
export const PING_CLIENT: Schemas<PingClientPayloads> = {
  ping,
};

/** What a server sends. */
export interface PingServerPayloads {
  pong: Pong;
}

/** Its schemas. */
export const PING_SERVER: Schemas<PingServerPayloads> = {
  pong,
};

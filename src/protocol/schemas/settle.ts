/**
 * `settle` -> `settled`: which messages of the sender a channel keeps. For a client whose connection ended before an
 * acknowledgement came, and which comes back so late that the server may have forgotten the ids.
 *
 * @module
 */

import * as v from "valibot";
import { channelField, epochField, integer, type Schema, type Schemas, shape, token } from "./fields.ts";

/** Most ids of one question. */
export const MAX_SETTLE = 256;

/** Asks which of these messages of the sender are kept. */
export interface Settle {
  channel: string;
  /** 1 to 256 ids of messages. */
  ids: string[];
}

/** A message that is kept. */
export interface SettledMessage {
  id: string;
  offset: number;
}

/** The answer to `settle`. */
export interface Settled {
  channel: string;
  epoch: string;
  /** Those that are kept, in no particular order. */
  messages: SettledMessage[];
}

const settle: Schema<Settle> = shape({
  channel: channelField(),
  ids: v.pipe(
    v.array(token(64), "an array"),
    v.minLength(1, `1 to ${MAX_SETTLE} ids`),
    v.maxLength(MAX_SETTLE, `1 to ${MAX_SETTLE} ids`),
  ),
});

const settled: Schema<Settled> = shape({
  channel: channelField(),
  epoch: epochField(),
  messages: v.array(shape({ id: token(64), offset: integer(1) }), "an array"),
});

/** What a client sends. */
export interface SettleClientPayloads {
  settle: Settle;
}

/** Its schemas. */
export const SETTLE_CLIENT: Schemas<SettleClientPayloads> = { settle };

/** What a server sends. */
export interface SettleServerPayloads {
  settled: Settled;
}

/** Its schemas. */
export const SETTLE_SERVER: Schemas<SettleServerPayloads> = { settled };

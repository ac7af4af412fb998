/**
 * `received` -> `received_response`, and `delivered`: a device tells which direct messages it has taken, and their
 * senders, who asked for a receipt, are told once.
 *
 * @module
 */

import * as v from "valibot";
import {
  channelField,
  epochField,
  integer,
  offsetField,
  type Schema,
  type Schemas,
  shape,
  token,
  userIdField,
} from "./fields.ts";

/** Most messages that one `received` names. */
const MAX_RECEIVED = 256;

/** Messages of the user's inbox that this device has taken, and whose senders have asked for a receipt. */
export interface Received {
  /** The user's inbox. */
  channel: string;
  /** The epoch of the offsets. */
  epoch: string;
  /** 1 to 256 of them. */
  offsets: number[];
}

/** Everything that `received` names has been seen to. */
export interface ReceivedResponse {
  channel: string;
}

/** A device of the recipient has taken a direct message. A kept message of the inbox of its sender. */
export interface ReceiptDelivery {
  /** The inbox of the message's sender. */
  channel: string;
  /** Who has taken it. */
  from: string;
  /** The same: to whom the message was sent. */
  to: string;
  /** The id of the message. */
  message: string;
  /** Where the message is in the recipient's inbox. */
  target: number;
  /** The epoch of `target`. */
  epoch: string;
  offset: number;
  prev: number;
}

const received: Schema<Received> = shape({
  channel: channelField(),
  epoch: epochField(),
  offsets: v.pipe(
    v.array(integer(1), "an array"),
    v.minLength(1, `1 to ${MAX_RECEIVED} offsets`),
    v.maxLength(MAX_RECEIVED, `1 to ${MAX_RECEIVED} offsets`),
  ),
});

const receivedResponse: Schema<ReceivedResponse> = shape({ channel: channelField() });

const delivered: Schema<ReceiptDelivery> = shape({
  channel: channelField(),
  from: userIdField(),
  to: userIdField(),
  message: token(64),
  target: integer(1),
  epoch: epochField(),
  offset: offsetField(),
  prev: offsetField(),
});

/** What a client sends. */
export interface ReceiptClientPayloads {
  received: Received;
}

/** Its schemas. */
export const RECEIPT_CLIENT: Schemas<ReceiptClientPayloads> = { received };

/** What a server sends. */
export interface ReceiptServerPayloads {
  received_response: ReceivedResponse;
  delivered: ReceiptDelivery;
}

/** Its schemas. */
export const RECEIPT_SERVER: Schemas<ReceiptServerPayloads> = {
  received_response: receivedResponse,
  delivered,
};

/**
 * `direct_message` and `broadcast` -> `message_ack`, and their deliveries.
 *
 * @module
 */

import * as v from "valibot";
import { DELIVERY, type Delivery } from "./chat.ts";
import {
  type Content,
  flag,
  ORDERED,
  type Ordered,
  PRIORITISED,
  type Prioritised,
  saying,
  type Schema,
  type Schemas,
  userIdField,
} from "./fields.ts";

/** A message to all devices of a user. */
export interface DirectMessage extends Content, Ordered, Prioritised {
  /** The recipient's user id. */
  to: string;
  /** The sender wants to know when a device of the recipient has taken it: `delivered`. @default false */
  receipt?: boolean;
}

/** A direct message as it is delivered; `channel` is the recipient's inbox. */
export interface DirectDelivery extends Delivery {
  to: string;
  /** Its sender wants a receipt: say `received` once the message is taken. */
  receipt?: true;
}

/** A message to everybody; needs the right `broadcast`. */
export type Broadcast = Content & Ordered & Prioritised;

const directMessage: Schema<DirectMessage> = saying({
  to: userIdField(),
  receipt: v.exactOptional(flag()),
  ...ORDERED,
  ...PRIORITISED,
});

const directDelivery: Schema<DirectDelivery> = saying({
  ...DELIVERY,
  to: userIdField(),
  receipt: v.exactOptional(v.literal(true, "true")),
});

const broadcast: Schema<Broadcast> = saying({ ...ORDERED, ...PRIORITISED });

const broadcastDelivery: Schema<Delivery> = saying(DELIVERY);

/** What a client sends. */
export interface DirectClientPayloads {
  direct_message: DirectMessage;
  broadcast: Broadcast;
}

/** Its schemas. */
export const DIRECT_CLIENT: Schemas<DirectClientPayloads> = {
  direct_message: directMessage,
  broadcast,
};

/** What a server sends. */
export interface DirectServerPayloads {
  direct_message: DirectDelivery;
  broadcast: Delivery;
}

/** Its schemas. */
export const DIRECT_SERVER: Schemas<DirectServerPayloads> = {
  direct_message: directDelivery,
  broadcast: broadcastDelivery,
};

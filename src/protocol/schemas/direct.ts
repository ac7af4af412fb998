/**
 * `direct_message` and `broadcast` -> `message_ack`, and their deliveries.
 *
 * @module
 */

import { DELIVERY, type Delivery } from "./chat.ts";
import { type Content, saying, type Schema, userIdField } from "./fields.ts";

/** A message to all devices of a user. */
export interface DirectMessage extends Content {
  /** The recipient's user id. */
  to: string;
}

/** A direct message on its way; `channel` is the recipient's inbox. */
export interface DirectDelivery extends Delivery {
  to: string;
}

/** A message to everybody; needs the right `broadcast`. */
export type Broadcast = Content;

/** Checks `direct_message` as a client sends it. */
export const directMessage: Schema<DirectMessage> = saying({ to: userIdField() });

/** Checks `direct_message` as a server sends it. */
export const directDelivery: Schema<DirectDelivery> = saying({ ...DELIVERY, to: userIdField() });

/** Checks `broadcast` as a client sends it. */
export const broadcast: Schema<Broadcast> = saying({});

/** Checks `broadcast` as a server sends it. */
export const broadcastDelivery: Schema<Delivery> = saying(DELIVERY);

/**
 * `chat_edit` and `chat_delete` -> `message_ack`, and their deliveries: messages of the channel about an earlier one
 * of the same sender.
 *
 * @module
 */

import * as v from "valibot";
import { DELIVERY, type Delivery } from "./chat.ts";
import {
  channelField,
  type Content,
  epochField,
  integer,
  offsetField,
  saying,
  type Schema,
  shape,
} from "./fields.ts";

/** Says one's own message anew. */
export interface ChatEdit extends Content {
  channel: string;
  /** The offset of the message. */
  target: number;
  /** The epoch the offset is of. @default not checked */
  epoch?: string;
}

/** Takes one's own message back. */
export interface ChatDelete {
  channel: string;
  /** The offset of the message. */
  target: number;
  /** The epoch the offset is of. @default not checked */
  epoch?: string;
}

/** An edit on its way to members of the channel. `deleted`: a later edit or a deletion has taken its content away. */
export interface ChatEditDelivery extends Delivery {
  target: number;
}

/** A deletion on its way to members of the channel. */
export interface ChatDeleteDelivery {
  channel: string;
  from: string;
  target: number;
  offset: number;
  prev: number;
}

const target = integer(1);
const epoch = v.exactOptional(epochField());

/** Checks `chat_edit` as a client sends it. */
export const chatEdit: Schema<ChatEdit> = saying({ channel: channelField(), target, epoch });

/** Checks `chat_edit` as a server sends it. */
export const chatEditDelivery: Schema<ChatEditDelivery> = saying({
  ...DELIVERY,
  target,
  deleted: v.exactOptional(offsetField()),
});

/** Checks `chat_delete` as a client sends it. */
export const chatDelete: Schema<ChatDelete> = shape({ channel: channelField(), target, epoch });

/** Checks `chat_delete` as a server sends it. */
export const chatDeleteDelivery: Schema<ChatDeleteDelivery> = shape({ ...DELIVERY, target });

/** The payloads of this family that a client sends. */
export interface EditClientPayloads {
  chat_edit: ChatEdit;
  chat_delete: ChatDelete;
}

/** The payloads of this family that a server sends. */
export interface EditServerPayloads {
  chat_edit: ChatEditDelivery;
  chat_delete: ChatDeleteDelivery;
}

/** The schemas of what a client sends. */
export const EDIT_CLIENT: { readonly [T in keyof EditClientPayloads]: Schema<EditClientPayloads[T]> } = {
  chat_edit: chatEdit,
  chat_delete: chatDelete,
};

/** The schemas of what a server sends. */
export const EDIT_SERVER: { readonly [T in keyof EditServerPayloads]: Schema<EditServerPayloads[T]> } = {
  chat_edit: chatEditDelivery,
  chat_delete: chatDeleteDelivery,
};

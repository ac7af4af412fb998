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
  ORDERED,
  type Ordered,
  PRIORITISED,
  type Prioritised,
  saying,
  type Schema,
  type Schemas,
  shape,
} from "./fields.ts";

/** Replaces the content of one's own message. */
export interface ChatEdit extends Content, Ordered, Prioritised {
  channel: string;
  /** The offset of the message. */
  target: number;
  /** The epoch of the offset. @default not checked */
  epoch?: string;
}

/** Deletes one's own message. */
export interface ChatDelete extends Ordered {
  channel: string;
  /** The offset of the message. */
  target: number;
  /** The epoch of the offset. @default not checked */
  epoch?: string;
}

/** An edit as it is delivered. `deleted`: a later edit or a deletion has removed its content. */
export interface ChatEditDelivery extends Delivery {
  target: number;
}

/** A deletion as it is delivered. */
export interface ChatDeleteDelivery {
  channel: string;
  from: string;
  target: number;
  offset: number;
  prev: number;
}

const target = integer(1);
const epoch = v.exactOptional(epochField());

const chatEdit: Schema<ChatEdit> = saying({
  channel: channelField(),
  target,
  epoch,
  ...ORDERED,
  ...PRIORITISED,
});

const chatEditDelivery: Schema<ChatEditDelivery> = saying({
  ...DELIVERY,
  target,
  deleted: v.exactOptional(offsetField()),
});

const chatDelete: Schema<ChatDelete> = shape({ channel: channelField(), target, epoch, ...ORDERED });

const chatDeleteDelivery: Schema<ChatDeleteDelivery> = shape({ ...DELIVERY, target });

/** What a client sends. */
export interface EditClientPayloads {
  chat_edit: ChatEdit;
  chat_delete: ChatDelete;
}

/** Its schemas. */
export const EDIT_CLIENT: Schemas<EditClientPayloads> = {
  chat_edit: chatEdit,
  chat_delete: chatDelete,
};

/** What a server sends. */
export interface EditServerPayloads {
  chat_edit: ChatEditDelivery;
  chat_delete: ChatDeleteDelivery;
}

/** Its schemas. */
export const EDIT_SERVER: Schemas<EditServerPayloads> = {
  chat_edit: chatEditDelivery,
  chat_delete: chatDeleteDelivery,
};

/**
 * `typing_start` and `typing_stop`: not kept, not acknowledged, may be lost.
 *
 * @module
 */

import { channelField, type Schema, type Schemas, shape, userIdField } from "./fields.ts";

/** The sender begins or stops typing. */
export interface Typing {
  channel: string;
}

/** As it is delivered to the others on the channel. */
export interface TypingDelivery {
  channel: string;
  /** The user id of the sender. */
  from: string;
}

const typing: Schema<Typing> = shape({ channel: channelField() });

const typingDelivery: Schema<TypingDelivery> = shape({ channel: channelField(), from: userIdField() });

/** What a client sends. */
export interface TypingClientPayloads {
  typing_start: Typing;
  typing_stop: Typing;
}

/** Its schemas. */
export const TYPING_CLIENT: Schemas<TypingClientPayloads> = {
  typing_start: typing,
  typing_stop: typing,
};

/** What a server sends. */
export interface TypingServerPayloads {
  typing_start: TypingDelivery;
  typing_stop: TypingDelivery;
}

/** Its schemas. */
export const TYPING_SERVER: Schemas<TypingServerPayloads> = {
  typing_start: typingDelivery,
  typing_stop: typingDelivery,
};

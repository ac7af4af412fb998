/**
 * `typing_start` and `typing_stop`: not kept, not acknowledged, may be lost.
 *
 * @module
 */

import { channelField, type Schema, type Schemas, shape, userIdField } from "./fields.ts";

/** Somebody begins or ends to type. */
export interface Typing {
  channel: string;
}

/** What the others on the channel get. */
export interface TypingDelivery {
  channel: string;
  /** Who types. */
  from: string;
}

/** Checks `typing_start` and `typing_stop` as a client sends them. */
const typing: Schema<Typing> = shape({ channel: channelField() });

/** Checks `typing_start` and `typing_stop` as a server sends them. */
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

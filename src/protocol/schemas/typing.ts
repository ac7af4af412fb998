/**
 * `typing_start` and `typing_stop`: not kept, not acknowledged, may be lost.
 *
 * @module
 */

import { channelField, type Schema, shape, userIdField } from "./fields.ts";

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
export const typing: Schema<Typing> = shape({ channel: channelField() });

/** Checks `typing_start` and `typing_stop` as a server sends them. */
export const typingDelivery: Schema<TypingDelivery> = shape({ channel: channelField(), from: userIdField() });

/**
 * `subscribe` -> `subscribed`, `unsubscribe` -> `unsubscribed`.
 *
 * @module
 */

import * as v from "valibot";
import {
  channelField,
  epochField,
  flag,
  offsetField,
  type Schema,
  type Schemas,
  shape,
  token,
} from "./fields.ts";

/** Subscribes to a channel. Its deliveries travel on the lane of this message. */
export interface Subscribe {
  channel: string;
  /** The last message that the client has; everything after it follows if it is still kept. */
  since?: { epoch: string; offset: number };
}

/** The answer to `subscribe`. */
export interface Subscribed {
  channel: string;
  epoch: string;
  /** The last message of the channel now; 0: none. */
  offset: number;
  /** Everything after `since` follows. False without `since`, and when the gap is longer than the history. */
  recovered: boolean;
}

/** Unsubscribes from a channel. */
export interface Unsubscribe {
  channel: string;
}

/** The answer to `unsubscribe`; without `re` the server ended the subscription. */
export interface Unsubscribed {
  channel: string;
  /** The name of an error, when the server ended it because of one. */
  reason?: string;
}

const subscribe: Schema<Subscribe> = shape({
  channel: channelField(),
  since: v.exactOptional(shape({ epoch: epochField(), offset: offsetField() })),
});

const subscribed: Schema<Subscribed> = shape({
  channel: channelField(),
  epoch: epochField(),
  offset: offsetField(),
  recovered: flag(),
});

const unsubscribe: Schema<Unsubscribe> = shape({ channel: channelField() });

const unsubscribed: Schema<Unsubscribed> = shape({
  channel: channelField(),
  reason: v.exactOptional(token(64)),
});

/** What a client sends. */
export interface SubscribeClientPayloads {
  subscribe: Subscribe;
  unsubscribe: Unsubscribe;
}

/** Its schemas. */
export const SUBSCRIBE_CLIENT: Schemas<SubscribeClientPayloads> = {
  subscribe,
  unsubscribe,
};

/** What a server sends. */
export interface SubscribeServerPayloads {
  subscribed: Subscribed;
  unsubscribed: Unsubscribed;
}

/** Its schemas. */
export const SUBSCRIBE_SERVER: Schemas<SubscribeServerPayloads> = {
  subscribed,
  unsubscribed,
};

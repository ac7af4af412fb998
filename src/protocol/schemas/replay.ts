/**
 * `replay` -> `replay_started`, `replay_message`..., `replay_ended`: messages between two offsets are sent again, at the
 * pace they had or another one. `replay_stop` ends it early.
 *
 * @module
 */

import * as v from "valibot";
import {
  bytesField,
  channelField,
  epochField,
  integer,
  jsonField,
  number,
  offsetField,
  PRIORITISED,
  type Prioritised,
  type Schema,
  type Schemas,
  shape,
  text,
  token,
  userIdField,
} from "./fields.ts";

/** Slowest and fastest replay. */
const REPLAY_SPEED = { min: 0.1, max: 1000 } as const;
/** Longest wait between two messages of a replay, in milliseconds. */
export const MAX_REPLAY_WAIT = 10_000;

/** Asks for messages again. */
export interface Replay {
  channel: string;
  /** The epoch of the offsets. */
  epoch: string;
  /** The offset before the first message. */
  from: number;
  /** The offset of the last message. */
  to: number;
  /** How many times faster than they were sent. @default 1 */
  speed: number;
}

/** The answer to `replay`. */
export interface ReplayStarted {
  channel: string;
  /** Names the replay. */
  replay: string;
  from: number;
  /** At most the end of the channel. */
  to: number;
}

/** A message that is sent again, with its own `id` and `timestamp` in the envelope. */
export interface ReplayMessage extends Prioritised {
  channel: string;
  replay: string;
  /** The message's type: `chat_message`, `doc_op`, ... */
  kind: string;
  from: string;
  offset: number;
  prev: number;
  text?: string;
  /** JSON, or bytes: of an operation, or when `bytes` is there. */
  data?: unknown;
  bytes?: true;
  /** Present in an edit or a deletion. */
  target?: number;
  checksum?: number;
}

/** The replay is over. */
export interface ReplayEnded {
  channel: string;
  replay: string;
  /** The last message that was sent; `from` when none was. */
  offset: number;
  /** `unrecoverable_position`: messages in between are no longer kept. `not_available`: it could not go on. */
  reason: "done" | "stopped" | "unrecoverable_position" | "not_available";
}

/** Ends a replay early; answered by `replay_ended`. */
export interface ReplayStop {
  channel: string;
  replay: string;
}

const replay: Schema<Replay> = v.pipe(
  shape({
    channel: channelField(),
    epoch: epochField(),
    from: offsetField(),
    to: offsetField(),
    speed: v.optional(number(REPLAY_SPEED.min, REPLAY_SPEED.max), 1),
  }),
  v.check(({ from, to }) => from < to, "from is less than to"),
);

const replayStarted: Schema<ReplayStarted> = shape({
  channel: channelField(),
  replay: token(64),
  from: offsetField(),
  to: offsetField(),
});

const replayMessage: Schema<ReplayMessage> = shape({
  channel: channelField(),
  replay: token(64),
  kind: token(64),
  from: userIdField(),
  offset: offsetField(),
  prev: offsetField(),
  text: v.exactOptional(text(Number.MAX_SAFE_INTEGER)),
  data: v.exactOptional(v.union([jsonField(), bytesField()]) as Schema<unknown>),
  bytes: v.exactOptional(v.literal(true, "true")),
  ...PRIORITISED,
  target: v.exactOptional(integer(1)),
  checksum: v.exactOptional(integer(0, 0xffffffff)),
});

const replayEnded: Schema<ReplayEnded> = shape({
  channel: channelField(),
  replay: token(64),
  offset: offsetField(),
  reason: v.picklist(["done", "stopped", "unrecoverable_position", "not_available"], "a reason"),
});

const replayStop: Schema<ReplayStop> = shape({ channel: channelField(), replay: token(64) });

/** What a client sends. */
export interface ReplayClientPayloads {
  replay: Replay;
  replay_stop: ReplayStop;
}

/** Its schemas. */
export const REPLAY_CLIENT: Schemas<ReplayClientPayloads> = {
  replay,
  replay_stop: replayStop,
};

/** What a server sends. */
export interface ReplayServerPayloads {
  replay_started: ReplayStarted;
  replay_message: ReplayMessage;
  replay_ended: ReplayEnded;
}

/** Its schemas. */
export const REPLAY_SERVER: Schemas<ReplayServerPayloads> = {
  replay_started: replayStarted,
  replay_message: replayMessage,
  replay_ended: replayEnded,
};

/**
 * The log: messages of channels, kept in order and fanned out, and ephemeral messages beside them.
 *
 * @module
 */

import type { Payload } from "../../protocol/mod.ts";

/** A value now, or later: an engine in this process answers at once, which saves a turn of the event loop. */
export type MaybePromise<T> = T | Promise<T>;

/** A message to be kept. */
export interface NewRecord {
  /** `chat_message`, `direct_message`, ... */
  readonly type: string;
  /** The sender's message id. */
  readonly id: string;
  /** The sender's user id. */
  readonly from: string;
  /** Milliseconds since the epoch, at the server. */
  readonly timestamp: number;
  /** What the sender said, without `channel`, `from`, `offset` and `prev`. JSON, and bytes directly in it. */
  readonly payload: Payload;
}

/** A kept message. */
export interface StoredRecord extends NewRecord {
  /** Rises from message to message within an epoch. Not dense: the next one may be more than 1 higher. */
  readonly offset: number;
  /** The offset of the message before it in this channel; 0 for the first one of the epoch. */
  readonly prev: number;
}

/** A place in a channel. As the end of a channel: offset 0 means that nothing was published in this epoch. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** How a channel's messages are kept. */
export interface Retention {
  /** Messages kept. 0: none, the channel is ephemeral. @default 1000 */
  readonly size: number;
  /** Milliseconds a message is kept. @default 86400000 */
  readonly age: number;
}

/**
 * A change of an earlier message, made by the message it is published with. A message that was erased stays erased, and a
 * later edit of it is kept and delivered without its content. The message of the edit before this one is emptied: its
 * content no longer counts. `edits.ts` says what payloads become.
 */
export type Edit =
  /** The message at `target` has `content` from now on. */
  | { readonly kind: "replace"; readonly target: number; readonly content: Payload }
  /** The message at `target` has no content any more. */
  | { readonly kind: "erase"; readonly target: number };

/** How a streamed message ended: by its sender, who said all (`ended`) or gave up (`failed`), or because nothing came for too long. */
export type StreamEnd = "ended" | "failed" | "interrupted";

/**
 * What a streamed message grows by: more of its `text`, or more elements of the list that is its `data`. Lengths count
 * UTF-16 code units of a text and elements of a list. `growth.ts` says what payloads become.
 */
export interface Growth {
  /** The offset of the message, whose payload says `stream: "open"`. */
  readonly target: number;
  /** Only a message of this user grows. */
  readonly from: string;
  /** Refused in another epoch. @default not checked */
  readonly epoch?: string | undefined;
  /** The length before this piece. What lies below the message's length is known already and not added again. */
  readonly at: number;
  readonly content: string | readonly unknown[];
  /** Nothing follows. @default the message stays open */
  readonly end?: "ended" | "failed" | undefined;
  /** Bytes that the payload may take afterwards, in JSON and in MessagePack. */
  readonly most: number;
  /** Milliseconds until the engine ends the message with `interrupted`, unless it grows again. */
  readonly patience: number;
}

/** Why a message did not grow. `gap`: a piece before this one is missing. `kind`: a text does not grow by a list, nor a list by a text. */
export type GrowthRefusal = "unknown" | "foreign" | "epoch" | "ended" | "gap" | "kind" | "size";

/** What became of a growth. */
export interface Grown {
  /** How long the message is now. */
  readonly length: number;
  /** Nothing was added, for this reason. @default it was added, or known */
  readonly refused?: GrowthRefusal;
}

/** A piece that a message has grown by, for those who follow its channel. */
export interface Piece {
  readonly target: number;
  /** The sender's user id. */
  readonly from: string;
  /** The length before it. */
  readonly at: number;
  readonly content: string | readonly unknown[];
  /** Nothing follows. @default the message stays open */
  readonly end?: StreamEnd | undefined;
}

/** Called with each committed piece of messages of followed channels: those of one message in order, once each. */
export type PieceListener = (channel: string, piece: Piece, epoch: string) => void;

/** Called with the place of a message that this instance has ended with `interrupted`. */
export type InterruptionListener = (channel: string, target: number) => void;

/** How a message is published. */
export interface PublishOptions {
  readonly retention: Retention;
  /** A key that the channel saw within the dedupe window: nothing new is kept. @default no deduplication */
  readonly dedupeKey?: string;
  /** Takes place with the commit, but not when the message is a duplicate or its target is not kept. @default none */
  readonly edit?: Edit;
  /** The message says `stream: "open"`: milliseconds until the engine ends it with `interrupted`, unless it grows. @default never */
  readonly patience?: number;
}

/** What became of a publish. */
export interface Published extends Position {
  /** The dedupe key was known: nothing new was kept, `offset` is that of the first message. */
  readonly duplicate: boolean;
}

/** Which part of a channel's history. */
export interface ReadOptions {
  /** Only after this offset (before it, when `reverse`). It need not be a message's. @default the whole history */
  readonly since?: number;
  /** @default 100 */
  readonly limit?: number;
  /** Newest first. @default false */
  readonly reverse?: boolean;
  /**
   * About how many bytes of messages the caller can use. An engine that has to fetch messages leaves out what goes far
   * beyond it, but returns one at least. @default no bound
   */
  readonly bytes?: number;
}

/** A part of a channel's history. `epoch` and `offset` are the end of the channel. */
export interface Page extends Position {
  readonly records: readonly StoredRecord[];
  /** False when messages between `since` and the first of `records` are no longer kept. */
  readonly complete: boolean;
  /** There are more within `limit`: `bytes` left them out. @default false */
  readonly more?: boolean;
}

/** One message, and the end of its channel. */
export interface Found extends Position {
  /** Undefined: no message of that offset is kept. */
  readonly record: StoredRecord | undefined;
}

/** Whose words are to be taken away, and in which part of a channel. */
export interface RedactOptions {
  /** A user id. */
  readonly from: string;
  /** Only after this offset. @default from the first message on */
  readonly since?: number;
  /** Messages that are looked at, at most. @default 500 */
  readonly limit?: number;
}

/** What became of a redaction. */
export interface Redacted {
  /** Messages whose content was taken away. */
  readonly count: number;
  /** The last message that was looked at, when there are more: where to go on. @default it is done */
  readonly upTo?: number;
}

/** Which channels are listed. */
export interface ListOptions {
  /** Only names after this one. @default from the first one on */
  readonly after?: string;
  /** @default 1000 */
  readonly limit?: number;
}

/** Called with the name of a followed channel that was forgotten. It begins anew, in another epoch. */
export type ForgetListener = (channel: string) => void;

/** Called with each committed message of a followed channel, in order of offset, once each. */
export type Follower = (channel: string, record: StoredRecord, epoch: string) => void;

/** A message for those who follow a channel now. It is not kept, has no offset, and may be lost. */
export interface EphemeralMessage {
  /** `typing_start`, ... */
  readonly type: string;
  readonly id: string;
  /** The sender's user id. */
  readonly from: string;
  /** The sender's session, which does not get its own message back. */
  readonly sessionId: string;
  /** Milliseconds since the epoch, at the server. */
  readonly timestamp: number;
  readonly payload: Payload;
}

/** Called with each ephemeral message on a channel that this engine follows. */
export type EphemeralListener = (channel: string, message: EphemeralMessage) => void;

/** Keeps and fans out messages. */
export interface Log {
  /** Resolves once committed. */
  publish(channel: string, record: NewRecord, options: PublishOptions): MaybePromise<Published>;
  read(channel: string, options?: ReadOptions): MaybePromise<Page>;
  /** One message by its offset. */
  get(channel: string, offset: number): MaybePromise<Found>;
  /** The end of a channel. */
  position(channel: string): MaybePromise<Position>;
  /**
   * Drops the messages up to `offset`, including it, except the last `keep` of them. The last message of a channel always
   * stays. @default keep: 0
   */
  trim(channel: string, offset: number, keep?: number): MaybePromise<void>;
  /**
   * Calls `follower` with each message of `channel` committed from now on, whichever instance publishes it. One follower
   * per channel and engine.
   */
  follow(channel: string, follower: Follower): MaybePromise<void>;
  unfollow(channel: string): void;
  /** Sends `message` to the listeners of all instances that follow `channel`, this one included. */
  publishEphemeral(channel: string, message: EphemeralMessage): void;
  /** One listener. */
  onEphemeral(listener: EphemeralListener): void;
  /**
   * Makes a message longer in its place: no offset is used up, readers find it whole. Resolves once committed. A message
   * that does not grow for its patience is ended by the engine, also after a restart.
   */
  grow(channel: string, growth: Growth): MaybePromise<Grown>;
  /**
   * Removes a channel: its messages, its values, its dedupe keys. A later one of its name has another epoch. False: nothing
   * was kept of it. It may be interrupted (the end of the process) and called again.
   */
  forget(channel: string): MaybePromise<boolean>;
  /** Hears of channels that were forgotten, whichever instance did it. One listener. */
  onForget(listener: ForgetListener): void;
  /**
   * Takes the content of what a user said away, in place: a mark without content stays of each message (`redaction.ts`).
   * Operations of documents stay. Followers are not told. What the channel no longer keeps is deleted at once.
   */
  redact(channel: string, options: RedactOptions): MaybePromise<Redacted>;
  /** Names of channels that something is kept of, in order (by UTF-16 code units). */
  list(options?: ListOptions): MaybePromise<readonly string[]>;
  /** Hears of pieces, whichever instance they were added at. One listener. */
  onPiece(listener: PieceListener): void;
  /** Hears of messages that were interrupted, of any channel, at one of the instances that share a store. One listener. */
  onInterruption(listener: InterruptionListener): void;
}

/**
 * What keeps and fans out messages. Adapters (`memory` and `sqlite`) implement `Engine` and pass
 * one conformance suite.
 *
 * @module
 */

import type { Payload } from "../protocol/mod.ts";

/** A value now, or later: the memory engine answers at once and costs no turn of the event loop. */
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

/** A kept message. Offsets rise within an epoch; `prev` is the offset before it in this channel, 0 for the first. */
export interface StoredRecord extends NewRecord {
  readonly offset: number;
  readonly prev: number;
}

/** The end of a channel. Offset 0: nothing was published in this epoch. */
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

/** Another payload for a message that is kept: its sender has edited or deleted it. */
export interface Edit {
  readonly offset: number;
  /** Made of what is kept now and of the offset of the message that says so. Pure. */
  readonly change: (payload: Payload, by: number) => Payload;
  /** One more, made of what was kept there before this one: what else it says, when it is committed. @default none */
  readonly next?: (before: Payload) => Edit | undefined;
}

/** How a message is published. */
export interface PublishOptions {
  /** Known to the channel within the dedupe window: nothing new is kept. */
  readonly dedupeKey?: string;
  readonly retention: Retention;
  /** Take place with the commit, unless the message is a duplicate; nothing happens to what is not kept. */
  readonly amend?: readonly Edit[];
}

/** Something that is kept beside a channel, about a place in it: a user's read position, a document's snapshot. */
export interface Bookmark extends Position {
  /** @default none */
  readonly data?: Uint8Array;
}

/** What became of a publish. */
export interface Published extends Position {
  /** The dedupe key was known: nothing new was kept, `offset` is the first one's. */
  readonly duplicate: boolean;
}

/** Which part of a channel's history. */
export interface ReadOptions {
  /** Only after this offset (before it, when `reverse`); without it from the first (last) one kept. */
  readonly since?: number;
  /** @default 100 */
  readonly limit?: number;
  /** Newest first. @default false */
  readonly reverse?: boolean;
  /**
   * Bytes of messages that are of use, about: an engine that has to fetch them leaves out what goes far beyond it, but
   * for one; what it has at hand may be more. @default no bound
   */
  readonly bytes?: number;
}

/** A part of a channel's history. */
export interface Page extends Position {
  readonly records: readonly StoredRecord[];
  /** False when messages between `since` and the first of `records` are no longer kept. */
  readonly complete: boolean;
  /** There are more within `limit`: `bytes` left them out. @default false */
  readonly more?: boolean;
}

/** Told of each committed message of a followed channel, in order of offset, once each. */
export type Follower = (channel: string, record: StoredRecord, epoch: string) => void;

/** One presence entry: a session of a user on a channel. */
export interface PresenceEntry {
  readonly userId: string;
  readonly sessionId: string;
  readonly info?: Readonly<Record<string, unknown>>;
}

/** Something for whoever follows a channel now: not kept, without an offset, and it may be lost. */
export interface EphemeralMessage {
  /** `typing_start`, ... */
  readonly type: string;
  readonly id: string;
  /** The sender's user id. */
  readonly from: string;
  /** The sender's session: it does not get its own signal back. */
  readonly sessionId: string;
  /** Milliseconds since the epoch, at the server. */
  readonly timestamp: number;
  readonly payload: Payload;
}

/** Told of each signal on a channel that this engine instance follows. */
export type EphemeralListener = (channel: string, signal: EphemeralMessage) => void;

/** Somebody came or went: the first session of a user on a channel, or the last one; `online` also when `info` has changed. */
export type PresenceListener = (channel: string, event: "online" | "offline", entry: PresenceEntry) => void;

/** Keeps and fans out messages. Rejections are ProtocolErrors where the publisher is to be told (`not_available`), else anything. */
export interface Engine {
  readonly name: string;
  /**
   * Resolves once committed. With a `dedupeKey` that this channel saw within the dedupe window: the first one's
   * position, `duplicate: true`.
   */
  publish(channel: string, record: NewRecord, options: PublishOptions): MaybePromise<Published>;
  read(channel: string, options?: ReadOptions): MaybePromise<Page>;
  position(channel: string): MaybePromise<Position>;
  /** Drops the channel's messages up to `offset`, that one too. The last message of a channel stays. */
  trim(channel: string, offset: number): MaybePromise<void>;
  /** The bookmark of that name. It goes when the channel is forgotten. */
  bookmark(channel: string, name: string): MaybePromise<Bookmark | undefined>;
  /**
   * Keeps `bookmark` when the one of that name is of another epoch or before it; resolves once committed, with the
   * place of the one that is kept now.
   */
  setBookmark(channel: string, name: string, bookmark: Bookmark): MaybePromise<Position>;
  /** Calls `follower` for each message of `channel` committed from now on, whoever publishes it. One follower per channel and engine instance. */
  follow(channel: string, follower: Follower): MaybePromise<void>;
  unfollow(channel: string): void;
  /** Fans `signal` out to the listeners of all instances that follow `channel`, this one's too. Nothing is committed. */
  publishEphemeral(channel: string, signal: EphemeralMessage): void;
  /** One listener. */
  onEphemeral(listener: EphemeralListener): void;
  /** Enters or renews an entry; it lapses `ttl` milliseconds after the last call. */
  presenceEnter(channel: string, entry: PresenceEntry, ttl: number): MaybePromise<void>;
  presenceLeave(channel: string, sessionId: string): MaybePromise<void>;
  /** Everybody on a channel, one entry per session. */
  presence(channel: string): MaybePromise<readonly PresenceEntry[]>;
  /** Called for every channel that this engine knows presence of. One listener. */
  onPresence(listener: PresenceListener): void;
  /** Drops what is past its age or lease. Called on a timer of the owner. */
  sweep(now: number): void;
  /** Whether it can commit now: what `/readyz` asks. */
  healthy(): boolean;
  close(): MaybePromise<void>;
}

/**
 * One channel as applications use it.
 *
 * @module
 */

import type {
  HistoryResponse,
  Payload,
  PresentUser,
  PriorityName,
  ReadPosition,
  ReplayStarted,
} from "../protocol/mod.ts";
import { attempt, handled } from "../async/deferred.ts";
import { type Clock } from "./clock.ts";
import { readBytes, toBase64 } from "./documents/bytes.ts";
import { call, Emitter, Feed, type Listener } from "./emitter.ts";
import { SkeinError } from "./errors.ts";
import { Upload, type UploadOptions } from "./files/upload.ts";
import type { Receipt } from "./outbox/outbox.ts";
import type { Position } from "./session/inbox.ts";
import type { AnswerOf } from "./session/requests.ts";
import type { Delivered, Discontinuity } from "./session/subscription.ts";
import { openStream, type StreamOptions, type StreamWriter } from "./streams/writer.ts";
import type { TransportManager } from "./transport_manager.ts";

/** What is said: a text, or `{text}`, or `{data}` with any JSON value or with bytes. */
export type Saying = string | { readonly text: string } | { readonly data: unknown };

/** How it is said. */
export interface PublishOptions {
  /**
   * Which of the messages that wait at the server for a slow reader go first. A channel keeps its order: an urgent one
   * takes those before it along. @default "normal"
   */
  readonly priority?: PriorityName;
}

/** Events of a channel. */
export interface ChannelEvents {
  /** A message, once and in order. */
  message: Delivered;
  /** The sender said a message anew: `target` is its offset, `text` or `data` what it says now. */
  edited: Delivered;
  /** The sender took a message back: `target` is its offset. */
  deleted: Delivered;
  /** Somebody types, or stopped. */
  typing: { from: string; typing: boolean };
  /** The first session of a user came. */
  online: { userId: string; info?: Record<string, unknown> };
  /** The last session of a user left. */
  offline: { userId: string };
  /** Messages were lost to this client. */
  discontinuity: Discontinuity;
  /** The server took the session off the channel. */
  left: SkeinError;
  /** Another device of the user has read up to there. */
  read: ReadPosition;
}

/** Which part of a channel's history is asked for. */
export interface HistoryQuery {
  /** Only after this offset; before it when `reverse`. @default the beginning, or the end when `reverse` */
  readonly since?: number;
  /** 1 to 1000. @default 100 */
  readonly limit?: number;
  /** Newest first. @default false */
  readonly reverse?: boolean;
}

/** Milliseconds between `typing_start` of one who goes on typing. */
const TYPING_AGAIN = 3000;
/** Milliseconds after which somebody who is not heard of has stopped typing: the notice may have been lost. */
const TYPING_ENDS = 6000;
/** Messages an async iterable keeps for its reader. */
const MAX_UNREAD = 10_000;

/** A channel. Made by `SkeinClient.channel`; one for each name. */
export class Channel implements AsyncIterable<Delivered> {
  readonly name: string;
  readonly #manager: TransportManager;
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #events = new Emitter<ChannelEvents>();
  readonly #feeds = new Set<Feed<Delivered>>();
  readonly #typing = new Map<string, () => void>();
  #typingAt = -Infinity;

  constructor(name: string, manager: TransportManager, clock: Clock, changed: () => void) {
    this.name = name;
    this.#manager = manager;
    this.#clock = clock;
    this.#changed = changed;
  }

  /**
   * Joins the channel and stays on it, whatever happens to connections; `listener` is called with each message, once
   * and in order. Resolves, when the server has confirmed it, with what leaves the channel again. `since`: what comes
   * after that place is wanted too. Rejects with the server's error.
   */
  subscribe(listener?: Listener<Delivered>, since?: Position): Promise<() => Promise<void>> {
    const off = listener === undefined ? undefined : this.#events.on("message", listener);
    return attempt(async () => {
      try {
        await this.#manager.subscribe(this.name, since);
      } catch (error) {
        off?.();
        throw error;
      } finally {
        this.#changed();
      }
      return () => {
        off?.();
        const isWanted = this.#events.has("message") || this.#feeds.size > 0;
        return isWanted ? Promise.resolve() : this.unsubscribe();
      };
    });
  }

  /** Leaves the channel; async iterables over it end. */
  unsubscribe(): Promise<void> {
    for (const feed of [...this.#feeds]) feed.end();
    return handled(this.#manager.unsubscribe(this.name).finally(this.#changed));
  }

  /**
   * Publishes; resolves when the server has committed it, with its place in the channel. Waits for a connection as long
   * as it takes, and is sent again with the same id until it is acknowledged, so it has one effect.
   */
  publish(saying: Saying, options?: PublishOptions): Promise<Receipt> {
    return attempt(() =>
      this.#manager.send("chat_message", { channel: this.name, ...contentOf(saying), ...options })
    );
  }

  /** Says one's own message anew; `target` is its offset. Resolves and is sent again as `publish` is. */
  edit(target: number, saying: Saying, options?: PublishOptions): Promise<Receipt> {
    return attempt(() =>
      this.#manager.send("chat_edit", { ...this.#placeOf(target), ...contentOf(saying), ...options })
    );
  }

  /** Takes one's own message back; `target` is its offset. Resolves and is sent again as `publish` is. */
  delete(target: number): Promise<Receipt> {
    return this.#manager.send("chat_delete", this.#placeOf(target));
  }

  /**
   * Says a message that grows until `end` or `fail`, as the answer of a language model does: one message in the history,
   * pieces for who is there. Resolves when the server has committed its beginning; rejects as `publish` does.
   */
  stream(options: StreamOptions = {}): Promise<StreamWriter> {
    return openStream(this.#manager, this.#clock, this.name, options);
  }

  /**
   * Uploads a file and announces it in the channel as a message with `data: {file}`. It goes on after every interruption;
   * `done` resolves when the service has it whole. The file is read twice, in slices: for its hash, and to be sent.
   */
  upload(file: Blob, options: UploadOptions = {}): Upload {
    return new Upload(this.#manager, this.name, file, options);
  }

  /** A part of what the channel keeps. */
  history(query: HistoryQuery = {}): Promise<HistoryResponse> {
    return handled(
      this.#manager.send("history", { channel: this.name, ...query }).then((answer) => {
        answer.messages.forEach(readBytes);
        return answer;
      }),
    );
  }

  /**
   * The user has read everything up to `offset`: kept at the server for all devices, and never less than before.
   * Resolves with the user's read position. Rejects with `bad_argument` when the session has not been on the channel.
   */
  readUpTo(offset: number): Promise<ReadPosition> {
    return this.#ask("read_up_to", { offset });
  }

  /**
   * Has the messages after `from` up to `to` sent again, as fast as they were or `speed` times faster. They come as the
   * client's `message` events of type `replay_message` with the answer's `replay`, and at last `replay_ended`.
   */
  replay(range: { from: number; to: number; speed?: number }): Promise<ReplayStarted> {
    return this.#ask("replay", range);
  }

  /** Who is on the channel. */
  presence(): Promise<PresentUser[]> {
    return handled(this.#manager.send("presence", { channel: this.name }).then(({ users }) => users));
  }

  /**
   * Tells the others that the user types (call it at each key), or stopped. It is not kept and may be lost; without a
   * connection nobody is told.
   */
  typing(isTyping = true): void {
    const now = this.#clock.now();
    if (isTyping && now - this.#typingAt < TYPING_AGAIN) return;
    if (!isTyping && this.#typingAt === -Infinity) return;
    this.#typingAt = isTyping ? now : -Infinity;
    this.#manager.send(isTyping ? "typing_start" : "typing_stop", { channel: this.name }).catch(() => {});
  }

  /** Who types now. */
  get typists(): string[] {
    return [...this.#typing.keys()];
  }

  /** Where the channel stands: the last message that was delivered. */
  get position(): Position | undefined {
    return this.#manager.position(this.name);
  }

  /** Calls `listener` at each `event`; returns what takes it off again. It does not join the channel. */
  on<E extends keyof ChannelEvents>(event: E, listener: Listener<ChannelEvents[E]>): () => void {
    return this.#events.on(event, listener);
  }

  /** Takes a listener off. */
  off<E extends keyof ChannelEvents>(event: E, listener: Listener<ChannelEvents[E]>): void {
    this.#events.off(event, listener);
  }

  /**
   * Joins the channel and gives its messages, once and in order. A reader that falls more than 10,000 messages behind
   * gets `slow_reader`.
   */
  messages(): AsyncIterableIterator<Delivered> {
    const feed = new Feed<Delivered>(MAX_UNREAD, () => this.#feeds.delete(feed));
    this.#feeds.add(feed);
    this.subscribe().catch((error) => feed.fail(error));
    return feed;
  }

  [Symbol.asyncIterator](): AsyncIterator<Delivered> {
    return this.messages();
  }

  /** A message of this channel came. Called by the client. */
  deliver(message: Delivered): void {
    if (this.#typing.has(message.from)) this.#stoppedTyping(message.from);
    if (message.type === "chat_edit") return this.#events.emit("edited", message);
    if (message.type === "chat_delete") return this.#events.emit("deleted", message);
    // Other types that are kept here are for whoever knows them: the client's `delivered` event has them.
    if (message.type !== "chat_message") return;
    this.#events.emit("message", message);
    for (const feed of this.#feeds) call((item) => feed.push(item), message);
  }

  /** Something about this channel came. Called by the client. */
  push(type: string, payload: { userId?: string; from?: string; info?: Record<string, unknown> }): void {
    const { userId, from, info } = payload;
    if (type === "user_online" && userId !== undefined) {
      this.#events.emit("online", info === undefined ? { userId } : { userId, info });
    } else if (type === "user_offline" && userId !== undefined) this.#events.emit("offline", { userId });
    else if (type === "typing_stop" && from !== undefined) this.#stoppedTyping(from);
    else if (type === "typing_start" && from !== undefined) this.#startedTyping(from);
    else if (type === "read_position") this.#events.emit("read", payload as unknown as ReadPosition);
  }

  /** Messages of this channel were lost. Called by the client. */
  gap(gap: Discontinuity): void {
    this.#events.emit("discontinuity", gap);
  }

  /** The server took the session off. Called by the client. */
  ended(error: SkeinError): void {
    for (const feed of [...this.#feeds]) feed.fail(error);
    this.#events.emit("left", error);
  }

  /** The client is closed. Called by the client. */
  close(): void {
    for (const feed of [...this.#feeds]) feed.end();
    for (const cancel of this.#typing.values()) cancel();
    this.#typing.clear();
    this.#events.clear();
  }

  #ask<Q extends "read_up_to" | "replay">(type: Q, payload: Payload): Promise<AnswerOf<Q>> {
    return attempt(() => {
      const epoch = this.position?.epoch;
      if (epoch === undefined) throw new SkeinError("bad_argument", `not on ${this.name}`);
      return this.#manager.send(type, { channel: this.name, epoch, ...payload });
    });
  }

  /** A message's place, with the epoch it is of when that is known: what waits may be sent in another one. */
  #placeOf(target: number): Payload {
    const epoch = this.position?.epoch;
    return { channel: this.name, target, ...(epoch === undefined ? {} : { epoch }) };
  }

  #startedTyping(from: string): void {
    const before = this.#typing.get(from);
    before?.();
    this.#typing.set(from, this.#clock.after(TYPING_ENDS, () => this.#stoppedTyping(from)));
    if (before === undefined) this.#events.emit("typing", { from, typing: true });
  }

  #stoppedTyping(from: string): void {
    const cancel = this.#typing.get(from);
    if (cancel === undefined) return;
    cancel();
    this.#typing.delete(from);
    this.#events.emit("typing", { from, typing: false });
  }
}

/** What goes into a payload. Throws SkeinError `bad_argument` when there is not exactly one of `text` and `data`. */
export function contentOf(saying: Saying): Payload {
  if (typeof saying === "string") return { text: saying };
  const { text, data } = saying as { text?: unknown; data?: unknown };
  if (typeof text === "string" && data === undefined) return { text };
  // Base64 while it waits: what the caller changes later is not sent, and every storage keeps it.
  if (text === undefined && data instanceof Uint8Array) return { data: toBase64(data), bytes: true };
  if (text === undefined && data !== undefined) return { data };
  throw new SkeinError("bad_argument", "a text, {text} or {data}");
}

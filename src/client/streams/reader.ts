/**
 * The readers' side of streamed messages: pieces in order, each once. A reader that has missed one asks the history for
 * the message, and goes on from there.
 *
 * @module
 */

import { type Clock, systemClock } from "../clock.ts";
import type { SkeinClient } from "../client.ts";
import type { SkeinError } from "../errors.ts";
import type { Message } from "../../protocol/core.ts";
import type { HistoryResponse } from "../../protocol/mod.ts";
import type { StreamContent } from "./writer.ts";

/** A piece of a streamed message. Those of one message begin at 0 and follow one another without a gap. */
export interface StreamPiece {
  /** The offset of the message. */
  readonly target: number;
  /** The sender's user id. */
  readonly from: string;
  /** How long the message was before. */
  readonly at: number;
  readonly content: StreamContent;
  /** Nothing follows. `interrupted`: its sender was not heard of for too long. @default it goes on */
  readonly final?: "ended" | "failed" | "interrupted";
}

/** Options of `readStreams`. */
export interface ReadStreamsOptions {
  /** @default the runtime's */
  readonly clock?: Clock;
}

/** Milliseconds after which a message of which nothing comes is looked at in the history: its last piece may be lost. */
const SILENCE = 10_000;
/** Milliseconds until the history is asked again after a failure. */
const AGAIN = 1000;
/** Messages that have ended and are remembered, so that a late piece of one is not taken for the beginning of another. */
const MOST_OVER = 256;

/** Messages that are looked at for those under way. */
const LOOK = 100;

/**
 * Joins a channel and calls `listener` with the pieces of its streamed messages: of those that begin from now on, and
 * whole of those that are under way among its last 100 messages. Resolves with what ends it, which does not leave the
 * channel. Rejects as `Channel.subscribe` and `Channel.history` do.
 */
export async function readStreams(
  client: SkeinClient,
  channel: string,
  listener: (piece: StreamPiece) => void,
  { clock = systemClock }: ReadStreamsOptions = {},
): Promise<() => void> {
  const reader = new StreamReader(client, channel, listener, clock);
  try {
    await client.channel(channel).subscribe();
    await reader.look();
  } catch (error) {
    reader.close();
    throw error;
  }
  return () => reader.close();
}

interface Open {
  length: number;
  /** The history is asked; `again`: once more, because a piece came that its answer may not have. */
  asking: "no" | "asking" | "again";
  cancel: () => void;
}

/** Tells of the pieces of a channel's streamed messages; others have to see that the channel is joined. */
export class StreamReader {
  readonly #client: SkeinClient;
  readonly #channel: string;
  readonly #listener: (piece: StreamPiece) => void;
  readonly #clock: Clock;
  readonly #open = new Map<number, Open>();
  readonly #over = new Set<number>();
  readonly #offs: (() => void)[];

  /** `listener` is called with each piece until `close`. */
  constructor(
    client: SkeinClient,
    channel: string,
    listener: (piece: StreamPiece) => void,
    clock: Clock = systemClock,
  ) {
    this.#client = client;
    this.#channel = channel;
    this.#listener = listener;
    this.#clock = clock;
    const askAll = () => {
      for (const target of this.#open.keys()) this.#ask(target);
    };
    this.#offs = [
      client.on("message", ({ type, payload }) => {
        if (payload.channel !== channel) return;
        if (type === "chat_message") this.#whole(payload.offset as number, payload);
        else if (type === "message_append") this.#piece(payload);
        // An edit or a deletion ends it; the channel's own events have it.
        else if (type === "chat_edit" || type === "chat_delete") this.#end(payload.target as number);
      }),
      // What was sent meanwhile went to nobody.
      client.on("connected", askAll),
      client.on("discontinuity", (gap) => gap.channel === channel && askAll()),
    ];
  }

  /** Looks for messages under way: of those whose senders pause, no piece tells. */
  async look(): Promise<void> {
    const query = { channel: this.#channel, limit: LOOK, reverse: true };
    const { messages } = await this.#client.manager.send("history", query);
    for (const message of messages.reverse()) this.take(message);
  }

  /** A message of the history: one under way is followed, and told of as far as it is. */
  take(message: HistoryResponse["messages"][number]): void {
    if (message.stream === "open") this.#whole(message.offset, message as unknown as Message["payload"]);
  }

  /** Ends it. */
  close(): void {
    for (const off of this.#offs) off();
    for (const { cancel } of this.#open.values()) cancel();
    this.#open.clear();
  }

  /** A message as it is kept now. */
  #whole(target: number, { from, text, data, stream }: Message["payload"]): void {
    if (typeof stream !== "string" || this.#over.has(target)) return;
    const final = stream === "open" ? undefined : stream as StreamPiece["final"];
    const content = typeof text === "string" ? text : data;
    if (typeof content === "string" || Array.isArray(content)) {
      this.#grow(target, from as string, 0, content, final);
    } else this.#end(target);
  }

  #piece({ target, from, at, text, data, final }: Message["payload"]): void {
    if (typeof target !== "number" || typeof at !== "number" || this.#over.has(target)) return;
    const known = this.#open.get(target);
    if (known === undefined || at > known.length) return this.#ask(target);
    const content = (text ?? data) as StreamContent;
    this.#grow(target, from as string, at, content, final as StreamPiece["final"]);
  }

  /** Tells of what is new in `content`, which begins at `at`. */
  #grow(target: number, from: string, at: number, content: StreamContent, final: StreamPiece["final"]): void {
    const open = this.#openOf(target);
    const added = content.slice(Math.min(content.length, open.length - at));
    const piece = { target, from, at: open.length, content: added };
    open.length += added.length;
    if (final === undefined) this.#watch(target, open);
    else this.#end(target);
    if (added.length > 0 || final !== undefined) {
      this.#listener(final === undefined ? piece : { ...piece, final });
    }
  }

  #openOf(target: number): Open {
    let open = this.#open.get(target);
    if (open === undefined) {
      open = { length: 0, asking: "no", cancel: () => {} };
      this.#open.set(target, open);
    }
    return open;
  }

  #watch(target: number, open: Open, ms = SILENCE): void {
    open.cancel();
    open.cancel = this.#clock.after(ms, () => this.#ask(target));
  }

  #end(target: number): void {
    this.#open.get(target)?.cancel();
    if (!this.#open.delete(target) && this.#over.has(target)) return;
    this.#over.add(target);
    if (this.#over.size > MOST_OVER) this.#over.delete(this.#over.values().next().value!);
  }

  #ask(target: number): void {
    const open = this.#openOf(target);
    if (open.asking !== "no") {
      open.asking = "again";
      return;
    }
    open.asking = "asking";
    open.cancel();
    const query = { channel: this.#channel, since: target - 1, limit: 1 };
    this.#client.manager.send("history", query).then(({ messages: [message] }) => {
      if (this.#open.get(target) !== open) return;
      const isAgain = open.asking === "again";
      open.asking = "no";
      if (message?.offset !== target || message.stream === undefined) this.#end(target);
      else {
        this.#watch(target, open);
        this.#whole(target, message as unknown as Message["payload"]);
        if (isAgain && this.#open.has(target)) this.#ask(target);
      }
    }).catch((error: SkeinError) => {
      if (this.#open.get(target) !== open) return;
      open.asking = "no";
      if (error.temporary) this.#watch(target, open, AGAIN);
      else this.#end(target);
    });
  }
}

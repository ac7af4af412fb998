/**
 * Channels with a handler of their own, beside the ordinary subscriptions: documents. What the server says about such
 * a channel goes to its handler, and the handler sends over the connection of the moment.
 *
 * @module
 */

import { Encoded, type Message, type Payload, uuidv7 } from "../../protocol/core.ts";
import { SkeinError } from "../errors.ts";
import type { Receipt } from "../outbox/outbox.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";
import { readPayload } from "./payloads.ts";
import type { Publishing } from "./publishing.ts";

/** Questions that are remembered, to know whose an error is. */
const MAX_ASKED = 1024;

/** Takes what the server says about one channel. */
export interface ChannelHandler {
  /** The session is on a connection, or a lane of it was lost: what was not answered is to be asked again. */
  attached(): void;
  /** The session is on no connection. */
  detached(): void;
  /** A message about the channel, in the order of its lane. */
  message(message: Message): void;
  /** A question to the server was refused; `re` is its id. */
  failed(re: string, error: SkeinError): void;
  /** The server asks to send a published message again later. */
  refused(error: SkeinError): void;
  /** There is room for what `publish` refused. */
  room(): void;
  /** The client ends for good. */
  close(): void;
}

/** What a handler does over the session. */
export interface ChannelHandlerPort {
  /** Whether there is a connection. */
  readonly connected: boolean;
  /** Bytes of a message, as the server said last. */
  readonly maxMessage: number;
  /**
   * Publishes through the outbox, all or none; each promise resolves when the server has committed that message. Throws
   * SkeinError when none is taken.
   */
  publish(publishings: readonly Publishing[]): Promise<Receipt>[];
  /** Why the server refused what is published is over: it is sent again now. */
  retry(): void;
  /** Sends once, on the channel's lane; its id, or undefined without a connection. */
  send(type: string, payload: Payload): string | undefined;
  /** Sends once, as a datagram where that can be. */
  sendEphemeral(type: string, payload: Payload): void;
  /** Ends the channel's lane: it is opened again by what is sent next. */
  closeLane(): void;
  /**
   * The channel has no handler any more. `leave`: the message that tells the server. The channel keeps its lane until that
   * is answered, so that it is not overtaken when the channel is opened again.
   */
  release(leave?: string): void;
}

/** A question to the server that is not answered. */
interface Asked {
  readonly channel: string;
  readonly handler: ChannelHandler;
  /** It leaves the channel. */
  readonly isLast: boolean;
}

/** The outbox, for handlers. */
export interface HandlerOutbox {
  publish: ChannelHandlerPort["publish"];
  /** What goes to the channel is sent again now. */
  retry(channel: string): void;
}

/** The channel handlers of a session. */
export class ChannelHandlers implements SessionPart {
  readonly #outbox: HandlerOutbox;
  readonly #handlers = new Map<string, ChannelHandler>();
  readonly #asked = new Map<string, Asked>();
  /** Those for whom the outbox had no room. */
  readonly #crowdedOut = new Set<ChannelHandler>();
  #link: Link | undefined;
  #maxMessage = 65_536;

  constructor(outbox: HandlerOutbox) {
    this.#outbox = outbox;
  }

  /** `handler` takes what concerns `channel` from now on. Throws `bad_argument` when it has one already. */
  handle(channel: string, handler: ChannelHandler): ChannelHandlerPort {
    if (this.#handlers.has(channel)) throw new SkeinError("bad_argument", `${channel} is open already`);
    this.#handlers.set(channel, handler);
    const linkOf = () => this.#link;
    const maxMessage = () => this.#maxMessage;
    return {
      get connected() {
        return linkOf() !== undefined;
      },
      get maxMessage() {
        return maxMessage();
      },
      publish: (publishings) => {
        try {
          return this.#outbox.publish(publishings);
        } catch (error) {
          if (error instanceof SkeinError && error.error === "outbox_full") this.#crowdedOut.add(handler);
          throw error;
        }
      },
      retry: () => this.#outbox.retry(channel),
      send: (type, payload) => this.#send({ channel, handler, isLast: false }, type, payload),
      sendEphemeral: (type, payload) => {
        const link = this.#link;
        if (link === undefined) return;
        const message = new Encoded({ type, id: uuidv7(), timestamp: Date.now(), payload });
        if (!link.transport.sendDatagram(message)) link.sendEncoded(message, link.laneOf(type, channel));
      },
      closeLane: () => this.#link?.transport.closeLane?.(this.#link.laneOf("doc_op", channel)),
      release: (leave) => {
        if (this.#handlers.get(channel) !== handler) return;
        this.#handlers.delete(channel);
        this.#crowdedOut.delete(handler);
        if (leave !== undefined) this.#send({ channel, handler, isLast: true }, leave, { channel });
        this.#releaseLane(channel);
      },
    };
  }

  attach(link: Link): void {
    this.#link = link;
    this.#maxMessage = link.response.limits.maxMessage;
    this.#again();
  }

  detach(): void {
    this.#link = undefined;
    this.#asked.clear();
    for (const handler of [...this.#handlers.values()]) handler.detached();
  }

  laneLost(): void {
    this.#again();
  }

  close(): void {
    for (const handler of [...this.#handlers.values()]) handler.close();
  }

  /** The server asks to send a published message again later. */
  refused(channel: unknown, error: SkeinError): void {
    this.#handlers.get(channel as string)?.refused(error);
  }

  /** The outbox has room again. */
  room(): void {
    for (const handler of this.#crowdedOut) {
      // Not while the outbox is being changed.
      queueMicrotask(() => this.#crowdedOut.delete(handler) && handler.room());
    }
  }

  /** Hands a message to the handler of its channel; false: it has none. */
  take(message: Message): boolean {
    const { type, re, payload } = message;
    if (re !== undefined) {
      const asked = this.#asked.get(re);
      if (asked === undefined) return false;
      this.#asked.delete(re);
      const { channel, handler } = asked;
      // The answer to a handler that is gone says nothing to the one after it.
      if (this.#handlers.get(channel) !== handler) this.#releaseLane(channel);
      else if (type === "error") handler.failed(re, SkeinError.from(readPayload("error", payload)));
      else handler.message(message);
      return true;
    }
    const handler = this.#handlers.get(payload.channel as string);
    handler?.message(message);
    return handler !== undefined;
  }

  #again(): void {
    this.#asked.clear();
    for (const handler of [...this.#handlers.values()]) handler.attached();
  }

  /** Gives the lane back, unless somebody uses it or the server has still to say that the channel was left. */
  #releaseLane(channel: string): void {
    if (this.#handlers.has(channel)) return;
    for (const asked of this.#asked.values()) if (asked.isLast && asked.channel === channel) return;
    this.#link?.releaseLane("doc_op", channel);
  }

  #send(asked: Asked, type: string, payload: Payload): string | undefined {
    const link = this.#link;
    if (link === undefined) return undefined;
    const id = uuidv7();
    if (this.#asked.size >= MAX_ASKED) {
      for (const oldest of this.#asked.keys()) {
        this.#asked.delete(oldest);
        break;
      }
    }
    this.#asked.set(id, asked);
    link.send(type, payload, link.laneOf(type, asked.channel), id);
    return id;
  }
}

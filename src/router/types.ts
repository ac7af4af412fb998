/**
 * What a handler sees. Handlers know neither sockets nor sessions.
 *
 * @module
 */

import type { ClientType, Encoded, Form, Message, Payload, Principal, ServerType } from "../protocol/mod.ts";

/** The sender of a message, as handlers see it. */
export interface Client {
  readonly sessionId: string;
  readonly connectionId: string;
  readonly transport: string;
  readonly principal: Principal;
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
  /**
   * Sends on a lane (0 when that lane is gone), or as a datagram. What waits is bounded; the table of types says which
   * of it may be dropped.
   */
  send(message: Encoded, lane: number): void;
  /**
   * Undefined while there is room for a replay of history, on `lane` when it is given; else a promise that resolves when
   * there is again, or when the connection has ended. Without it replays are not paced.
   */
  ready?(lane?: number): Promise<void> | undefined;
}

/** One message and how to answer it. */
export interface Context {
  readonly client: Client;
  readonly message: Message;
  /** The lane it came on; replies go there. */
  readonly lane: number;
  readonly datagram: boolean;
  /** It came as early data and may be a replay. */
  readonly early: boolean;
  /** The form it came in, within the connection's limit. @default not known */
  readonly form?: Form;
  /** Sends a reply: a message with `re` set to the id of the one it answers. */
  reply(type: ServerType, payload: Payload): void;
  /**
   * The handler itself holds the sender back, by acknowledgements and a window: this message does not count against
   * the sender's rates. To be called before the handler returns.
   */
  selfPaced?(): void;
}

/** Handles one type of message. Throws ProtocolError to have it answered with `error`. */
export type Handler = (context: Context) => void | Promise<void>;

/** Runs around handlers; calls `next` or answers itself. */
export type Middleware = (context: Context, next: () => void | Promise<void>) => void | Promise<void>;

/** Handles one type. The table of types says how messages of it may come. */
export interface Route {
  readonly type: ClientType;
  readonly handler: Handler;
}

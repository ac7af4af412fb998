/**
 * What handlers are given. They know neither sockets nor sessions.
 *
 * @module
 */

import type {
  ClientType,
  Encoded,
  Form,
  Message,
  Payload,
  Principal,
  Report,
  ServerType,
} from "../protocol/mod.ts";

/** What a client was told that its connection takes. It does not change while the connection lives. */
export interface ClientLimits {
  /** Bytes of a message, in both directions. */
  readonly maxMessage: number;
}

/**
 * A kind of state that handlers keep for each connection. The object itself is the key: make it once, not for each
 * message.
 */
export interface StateKey<T> {
  /** Makes the state of one connection when it is asked for the first time. Not `undefined`. */
  create(): T;
  /** Called once when the connection has ended. */
  release?(state: T): void;
}

/** A connection, as handlers and the hub see it. */
export interface Client {
  readonly sessionId: string;
  readonly connectionId: string;
  readonly transport: string;
  readonly principal: Principal;
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
  readonly limits: ClientLimits;
  /** Aborted when the connection ends, whoever ends it: what is sent later is dropped. */
  readonly closed: AbortSignal;
  /**
   * Sends on a lane (0 when that lane is gone), or as a datagram. What waits is bounded; the table of types says which
   * of it may be dropped.
   */
  send(message: Encoded, lane: number): void;
  /**
   * Undefined while the outbox has room for more history, on `lane` when it is given. Else a promise that resolves when
   * it has room again, or when the connection has ended.
   */
  ready(lane?: number): Promise<void> | undefined;
  /** What a handler keeps for this connection under `key`; it is released when the connection has ended. */
  state<T>(key: StateKey<T>): T;
  /** Counts what the client says about its own experience. */
  report(report: Report): void;
}

/** One message and how to answer it. */
export interface Context {
  readonly client: Client;
  readonly message: Message;
  /** The lane it came on; replies go there. */
  readonly lane: number;
  readonly datagram: boolean;
  /** It came as early data, which an attacker can replay. */
  readonly early: boolean;
  /** The form it came in, within the connection's limit. @default not known */
  readonly form?: Form;
  /** Sends a reply: a message with `re` set to the id of the one it answers. */
  reply(type: ServerType, payload: Payload): void;
  /**
   * Says that acknowledgements and a window limit the sender: this message does not count against its rates. To be
   * called before the handler returns.
   */
  selfPaced?(): void;
}

/** Handles a message. A ProtocolError that it throws is sent as the answer `error`. */
export type Handler = (context: Context) => void | Promise<void>;

/** Runs around handlers: calls `next`, or answers the message itself. */
export type Middleware = (context: Context, next: () => void | Promise<void>) => void | Promise<void>;

/** The handler of a type. The table of types says how messages of the type may come. */
export interface Route {
  readonly type: ClientType;
  readonly handler: Handler;
}

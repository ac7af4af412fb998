/**
 * What a message connection needs of a server's WebSocket. Two adapters provide it: `stream_websocket.ts` over our own
 * layer, `deno_websocket.ts` over Deno's.
 *
 * @module
 */

import type { Encoded, Form } from "../protocol/mod.ts";

/** Who is told what comes over a server's WebSocket. */
export interface ServerWebSocketHandler {
  /** Messages can be sent from now on; not called when they could from the start. */
  opened(): void;
  /** `size`: bytes of UTF-8. */
  text(text: string, size: number): void;
  /** The bytes are valid only during the call. */
  binary(data: Uint8Array): void;
  /** What was handed over has left; only where `reportsDrain`. */
  drained(): void;
  /** The peer sent too many control frames or fragments and is not read for `ms` milliseconds. */
  heldBack(ms: number): void;
  /** The peer broke WebSocket's rules, or a handler threw. An end follows. */
  failed(error: unknown): void;
  /** Once: the socket has ended and holds no descriptor any more. */
  closed(code: number, reason: string): void;
}

/** What is sent as one text message. */
export type SentText = Pick<Encoded, "text" | "textFrame"> & Partial<Pick<Encoded, "utf8">>;

/** A server's WebSocket. */
export interface ServerWebSocket {
  /** Whether messages can be sent. */
  readonly open: boolean;
  /** Whether it ever was open. */
  readonly opened: boolean;
  /** Messages are compressed on their way (permessage-deflate). @default false */
  readonly compresses?: boolean;
  /** Bytes handed over and not yet taken by the network. */
  readonly bufferedAmount: number;
  /** Whether `pause` holds the peer back. Without it everything is delivered at once. */
  readonly canPause: boolean;
  /** Whether `drained` is called; otherwise `bufferedAmount` has to be looked at. */
  readonly reportsDrain: boolean;
  start(handler: ServerWebSocketHandler): void;
  /** Sends the JSON text of a message as one text message; returns its bytes. */
  sendText(message: SentText): number;
  /** Sends a message with its length as one binary message; returns its bytes. */
  sendFramed(message: Encoded, form: Form): number;
  /** Sends a binary message. The bytes are copied. */
  sendBinary(bytes: Uint8Array): void;
  /** Messages sent between `cork` and `uncork` leave in one write, if the adapter can do that. */
  cork(): void;
  uncork(): void;
  pause(): void;
  resume(): void;
  /** Bytes of a message that are taken at most, from the next one on. */
  limit(maxMessage: number): void;
  /** Begins the closing handshake; does nothing when it has ended. */
  close(code: number, reason: string): void;
  /** Ends it at once, where that can be. */
  destroy(): void;
}

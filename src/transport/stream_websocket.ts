/**
 * Our own WebSocket layer as a message connection uses it: reading is paused by the network connection itself, and what
 * goes to many is encoded once.
 *
 * @module
 */

import type { Encoded, Form } from "../protocol/mod.ts";
import { encodeBinary, encodeText, type WebSocketConnection } from "../websocket/mod.ts";
import type { SentText, ServerWebSocket, ServerWebSocketHandler } from "./server_websocket.ts";

/** Adapts a connection of `websocket/`. */
export class StreamServerWebSocket implements ServerWebSocket {
  readonly canPause = true;
  readonly reportsDrain = true;
  readonly opened = true;
  readonly #connection: WebSocketConnection;

  constructor(connection: WebSocketConnection) {
    this.#connection = connection;
  }

  get open(): boolean {
    return this.#connection.open;
  }

  get compresses(): boolean {
    return this.#connection.compresses;
  }

  get bufferedAmount(): number {
    return this.#connection.bufferedAmount;
  }

  start(handler: ServerWebSocketHandler): void {
    this.#connection.start({
      text: (text, size) => handler.text(text, size),
      binary: (data) => handler.binary(data),
      drained: () => handler.drained(),
      heldBack: (ms) => handler.heldBack(ms),
      failed: (error) => handler.failed(error),
      closed: ({ code, reason }) => handler.closed(code, reason),
    });
  }

  // One frame for all connections that get the message: a server's frames are not masked.

  sendText(message: SentText): number {
    const frame = message.textFrame ??= encodeText(message.utf8 ?? message.text());
    this.#connection.sendFrame(frame);
    return frame.length;
  }

  sendFramed(message: Encoded, form: Form): number {
    const frame = message.binaryFrames[form] ??= encodeBinary(message.framed(form));
    this.#connection.sendFrame(frame);
    return frame.length;
  }

  sendBinary(bytes: Uint8Array): void {
    this.#connection.sendBinary(bytes);
  }

  cork(): void {
    this.#connection.cork();
  }

  uncork(): void {
    this.#connection.uncork();
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  limit(maxMessage: number): void {
    this.#connection.maxMessage = maxMessage;
  }

  close(code: number, reason: string): void {
    this.#connection.end(code, reason);
  }

  destroy(): void {
    this.#connection.destroy();
  }
}

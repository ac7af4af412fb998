/**
 * Deno's own WebSocket as a message connection uses it. Reading cannot be paused, a message of up to 64 MiB is in memory
 * before its size can be asked for, and a peer that does not answer a close keeps its descriptor.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Encoded, Form } from "../protocol/mod.ts";
import type { ServerWebSocket, ServerWebSocketHandler } from "./server_websocket.ts";

/** Adapts a WebSocket of `Deno.upgradeWebSocket`. */
export class DenoServerWebSocket implements ServerWebSocket {
  readonly canPause = false;
  readonly reportsDrain = false;
  readonly #socket: WebSocket;
  #opened: boolean;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    this.#opened = socket.readyState === WebSocket.OPEN;
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  get opened(): boolean {
    return this.#opened;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  start(handler: ServerWebSocketHandler): void {
    const socket = this.#socket;
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") handler.text(data, Buffer.byteLength(data));
      else if (data instanceof ArrayBuffer) handler.binary(new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }) => handler.closed(code, reason);
    // The error event says nothing of use, and a close event follows it.
    socket.onerror = () => {};
    if (socket.readyState !== WebSocket.CONNECTING) return;
    socket.onopen = () => {
      this.#opened = true;
      handler.opened();
    };
  }

  sendText(message: Pick<Encoded, "text">): number {
    const text = message.text();
    this.#socket.send(text);
    return Buffer.byteLength(text);
  }

  sendFramed(message: Encoded, form: Form): number {
    const bytes = message.framed(form);
    this.#socket.send(bytes as Uint8Array<ArrayBuffer>);
    return bytes.length;
  }

  sendBinary(bytes: Uint8Array): void {
    this.#socket.send(bytes.slice());
  }

  cork(): void {}

  uncork(): void {}

  pause(): void {}

  resume(): void {}

  limit(): void {}

  close(code: number, reason: string): void {
    try {
      this.#socket.close(code, reason.slice(0, 120));
    } catch {
      // Already closed, or not open yet: there is nothing to say good-bye to.
    }
  }

  destroy(): void {
    this.#socket.onmessage = null;
    this.close(1000, "");
  }
}

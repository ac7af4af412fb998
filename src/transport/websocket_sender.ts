/**
 * Messages to frames of a WebSocket: as few frames as the client takes, and those that go to many encoded once.
 *
 * @module
 */

import type { Encoded } from "../protocol/mod.ts";
import { borrowBuffer, returnBuffer } from "../streams/mod.ts";
import type { Traffic, WireOptions } from "./contract.ts";
import type { ServerWebSocket } from "./server_websocket.ts";

/** Most bytes of a frame with several messages. */
const BATCH = 65536;

/** Sends messages as `wire` says, and counts them. */
export class WebSocketSender {
  readonly #socket: ServerWebSocket;
  readonly #wire: WireOptions;
  readonly #traffic: Traffic;

  constructor(socket: ServerWebSocket, wire: WireOptions, traffic: Traffic) {
    this.#socket = socket;
    this.#wire = wire;
    this.#traffic = traffic;
  }

  /** Sends what `take` gives, about a frame's worth. False: there was nothing more. */
  send(take: () => Encoded | undefined): boolean {
    const first = take();
    if (first === undefined) return false;
    const { form, batch } = this.#wire;
    if (form === "json" && batch === "none") {
      this.#sendAlone(first);
      return true;
    }
    const second = take();
    if (second === undefined) {
      this.#sendOne(first);
      return false;
    }
    if (form === "json" && batch === "lines") this.#sendLines(first, second, take);
    else this.#sendFramed(first, second, take);
    return true;
  }

  /** Each message in a text frame of its own. */
  #sendAlone(message: Encoded): void {
    if (message.parts === undefined) return this.#sendText(message);
    this.#socket.cork();
    for (const part of message.parts) this.#sendText(part);
    this.#socket.uncork();
  }

  /** What is alone in its frame has the same frame on every connection. */
  #sendOne(message: Encoded): void {
    const { form, batch } = this.#wire;
    if (form === "json" && (message.parts === undefined || batch === "lines")) return this.#sendText(message);
    this.#traffic.bytesOut += this.#socket.sendFramed(message, form);
    this.#traffic.messagesOut += message.count;
  }

  #sendText(message: Encoded): void {
    this.#traffic.bytesOut += this.#socket.sendText(message);
    this.#traffic.messagesOut += message.count;
  }

  #sendLines(first: Encoded, second: Encoded, take: () => Encoded | undefined): void {
    let text = first.text() + "\n" + second.text();
    this.#traffic.messagesOut += first.count + second.count;
    while (text.length < BATCH / 2) {
      const next = take();
      if (next === undefined) break;
      text += "\n" + next.text();
      this.#traffic.messagesOut += next.count;
    }
    this.#traffic.bytesOut += this.#socket.sendText({ text: () => text });
  }

  #sendFramed(first: Encoded, second: Encoded, take: () => Encoded | undefined): void {
    const { form } = this.#wire;
    const buffer = borrowBuffer();
    let at = 0;
    let next: Encoded | undefined = first;
    let after: Encoded | undefined = second;
    try {
      while (next !== undefined) {
        const room = next.room(form);
        if (at > 0 && at + room > BATCH) {
          this.#sendBytes(buffer.subarray(0, at));
          at = 0;
        }
        if (room > BATCH) this.#sendBytes(next.framed(form));
        else at = next.writeTo(buffer, at, form);
        this.#traffic.messagesOut += next.count;
        next = after ?? (at < BATCH / 2 ? take() : undefined);
        after = undefined;
      }
      if (at > 0) this.#sendBytes(buffer.subarray(0, at));
    } finally {
      returnBuffer(buffer);
    }
  }

  #sendBytes(bytes: Uint8Array): void {
    this.#socket.sendBinary(bytes);
    this.#traffic.bytesOut += bytes.length;
  }
}

/**
 * Messages over a WebSocket: a text frame is one JSON message, a binary frame one or more length-prefixed
 * frames. There are no lanes: what waits leaves in the order of their priority.
 *
 * @module
 */

import { settles } from "../async/deadline.ts";
import { CloseError, scanFrame } from "../protocol/mod.ts";
import type { Encoded } from "../protocol/mod.ts";
import { WebSocketError } from "../websocket/mod.ts";
import { LOOK, LOW_MARK, nextMark } from "../streams/mod.ts";
import type {
  Arrival,
  ConnectionSink,
  MessageConnection,
  OutboxSource,
  Traffic,
  TransportClose,
  WireOptions,
} from "./contract.ts";
import type { ServerWebSocket, ServerWebSocketHandler } from "./server_websocket.ts";
import { WebSocketSender } from "./websocket_sender.ts";

/** Bytes that may wait while the session asked for a pause; what comes above is refused. */
const PAUSED_BYTES = 262144;

const ARRIVAL: Arrival = { lane: 0, datagram: false, early: false, overflow: false };
const OVERFLOW: Arrival = { ...ARRIVAL, overflow: true };

/** A message connection over a server's WebSocket. */
export class WebSocketMessageConnection implements MessageConnection, ServerWebSocketHandler {
  readonly kind = "websocket";
  readonly remoteAddress: string;
  readonly maxDatagramSize = 0;
  readonly wire: WireOptions = { form: "json", batch: "none" };
  readonly traffic: Traffic = { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
  readonly released: Promise<void>;
  readonly #socket: ServerWebSocket;
  readonly #sender: WebSocketSender;
  readonly #take = (): Encoded | undefined => this.#outbox?.take()?.message;
  #maxFrame: number;
  #sink: ConnectionSink | undefined;
  #outbox: OutboxSource | undefined;
  #scheduled = false;
  #mark = LOW_MARK;
  #drainTimer: ReturnType<typeof setTimeout> | undefined;
  /** The runtime has as much as it is given at once: the socket tells when it has left. */
  #aboveMark = false;
  #paused: { readonly data: Uint8Array | string; readonly size: number }[] | undefined;
  #pausedBytes = 0;
  #ours: { code: number; reason: string } | undefined;
  #ended = false;
  #whenEnded: (() => void) | undefined;
  #release!: () => void;

  /** Takes over a socket that is open or about to be. `limits` hold until `setLimits`. */
  constructor(socket: ServerWebSocket, remoteAddress: string, limits: { maxFrame: number }) {
    this.#socket = socket;
    this.#sender = new WebSocketSender(socket, this.wire, this.traffic);
    this.remoteAddress = remoteAddress;
    this.#maxFrame = limits.maxFrame;
    socket.limit(limits.maxFrame);
    this.released = new Promise((resolve) => this.#release = resolve);
  }

  get compresses(): boolean {
    return this.#socket.compresses === true;
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  start(sink: ConnectionSink, outbox: OutboxSource): void {
    this.#sink = sink;
    this.#outbox = outbox;
    this.#socket.start(this);
  }

  opened(): void {
    this.wake();
  }

  closed(code: number, reason: string): void {
    this.#release();
    this.#end({ code, reason, by: code === 1006 ? "error" : "remote" });
  }

  /** What waited above the mark has left. */
  drained(): void {
    if (!this.#aboveMark) return;
    this.#aboveMark = false;
    this.#flush();
  }

  heldBack(ms: number): void {
    this.#sink?.heldBack(ms);
  }

  failed(error: unknown): void {
    const tooLarge = error instanceof WebSocketError && error.code === 1009;
    if (tooLarge) return this.#tooLarge();
    this.#sink?.failed(error, "websocket");
  }

  wake(): void {
    if (this.#scheduled || this.#waitsForRoom) return;
    this.#scheduled = true;
    queueMicrotask(this.#flush);
  }

  /** A WebSocket has no lanes to lose: the number is the priority. */
  laneOrControl(lane: number): number {
    return lane;
  }

  sendDatagram(_message: Encoded): boolean {
    return false;
  }

  setLimits(limits: { maxFrame: number }): void {
    this.#maxFrame = limits.maxFrame;
    this.#socket.limit(limits.maxFrame);
  }

  get #waitsForRoom(): boolean {
    return this.#drainTimer !== undefined || this.#aboveMark;
  }

  checkPath(): void {}

  async close(code: number, reason: string, timeout = 1000): Promise<void> {
    if (this.#ours !== undefined) return;
    this.#ours = { code, reason };
    if (this.#ended) return;
    if (!this.#waitsForRoom) this.#flush();
    const ended = new Promise<void>((resolve) => this.#whenEnded = resolve);
    this.#socket.close(code, reason);
    await settles(ended, timeout);
    // A peer that does not answer is not waited for any longer.
    this.#end({ code, reason, by: "local" });
  }

  abort(): void {
    this.#socket.destroy();
    this.#end({ ...(this.#ours ?? { code: 1006, reason: "" }), by: "local" });
  }

  #end(info: TransportClose): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#drainTimer);
    this.#paused = undefined;
    this.#whenEnded?.();
    // Of one that never opened no close event is certain to come.
    if (!this.#socket.opened) this.#release();
    this.#sink?.ended(this.#ours === undefined ? info : { ...this.#ours, by: "local" });
  }

  text(text: string, size: number): void {
    if (this.#ended || this.#sink === undefined) return;
    this.traffic.bytesIn += size;
    if (size > this.#maxFrame) return this.#tooLarge();
    this.#offer(text, size);
  }

  binary(bytes: Uint8Array): void {
    if (this.#ended || this.#sink === undefined) return;
    this.traffic.bytesIn += bytes.length;
    let at = 0;
    try {
      do {
        const scan = scanFrame(bytes, at, bytes.length, this.#maxFrame);
        if (scan.kind === "more") throw new CloseError("bad_request", "a binary frame holds whole frames");
        this.#offer(bytes.subarray(scan.start, scan.end), scan.end - scan.start);
        at = scan.end;
      } while (at < bytes.length && !this.#ended);
    } catch (error) {
      this.#sink.failed(error, "binary frame");
    }
  }

  #tooLarge(): void {
    this.#sink?.failed(
      new CloseError("message_too_large", `a message above ${this.#maxFrame} bytes`),
      "text frame",
    );
  }

  // What comes in a pause waits here: the rest of a binary message, or everything where reading cannot be paused. It is
  // bounded, and refused above the bound.
  #offer(data: Uint8Array | string, size: number): void {
    this.traffic.messagesIn++;
    if (this.#paused === undefined) {
      const pause = this.#sink!.frame(data, ARRIVAL, size);
      if (pause !== undefined) this.#pause(pause);
    } else if (this.#pausedBytes + size <= PAUSED_BYTES) {
      this.#pausedBytes += size;
      // Bytes are valid only during the call.
      this.#paused.push({ data: typeof data === "string" ? data : data.slice(), size });
    } else {
      void this.#sink!.frame(data, OVERFLOW, size);
    }
  }

  #pause(pause: Promise<void>): void {
    const waiting = this.#paused ??= [];
    this.#socket.pause();
    void pause.catch((error) => this.#sink?.failed(error, "message")).then(async () => {
      let at = 0;
      try {
        for (; at < waiting.length && !this.#ended; at++) {
          const { data, size } = waiting[at]!;
          this.#pausedBytes -= size;
          const next = this.#sink!.frame(data, ARRIVAL, size);
          if (next !== undefined) await next;
          // A sender just above its rate never lets the queue run empty, so handled messages are removed here.
          if (at >= 63 && at * 2 >= waiting.length) {
            waiting.splice(0, at + 1);
            at = -1;
          }
        }
      } catch (error) {
        this.#sink?.failed(error, "message");
      }
      this.#paused = undefined;
      this.#pausedBytes = 0;
      if (!this.#ended) this.#socket.resume();
    });
  }

  #flush = (): void => {
    this.#scheduled = false;
    const socket = this.#socket;
    if (this.#drainTimer !== undefined) {
      this.#drainTimer = undefined;
      this.#mark = nextMark(this.#mark, socket.bufferedAmount);
    }
    if (this.#ended || this.#outbox === undefined || !socket.open) return;
    // Most clients take what waits in one frame. The others' frames leave in one write.
    const corks = this.wire.batch === "none";
    if (corks) socket.cork();
    try {
      do {
        // Above the mark messages stay in the outbox, where priority still counts.
        if (socket.bufferedAmount > this.#mark) return this.#awaitRoom();
      } while (this.#sender.send(this.#take));
    } catch (error) {
      // The socket went between the check and the call; its close event follows.
      this.#sink?.failed(error, "send");
    } finally {
      if (corks) socket.uncork();
    }
  };

  #awaitRoom(): void {
    if (this.#socket.reportsDrain) this.#aboveMark = true;
    else this.#drainTimer = setTimeout(this.#flush, LOOK);
  }
}

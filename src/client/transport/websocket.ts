/**
 * Messages over a WebSocket: one JSON message in a text frame, or several length-prefixed ones in a binary frame when
 * several wait. There are no lanes: what waits leaves in the order of their priority.
 *
 * @module
 */

import {
  decodeFrame,
  decodeText,
  type JsonEncoded,
  type LaneClass,
  laneClass,
  type Message,
  scanFrame,
} from "../../protocol/core.ts";
import { LOOK, LOW_MARK, nextMark } from "../../streams/mod.ts";
import { type ClientTransport, noTraffic, type TransportEnd, type TransportTraffic } from "./contract.ts";

/** Most bytes of a batched frame. */
const BATCH = 65_536;
/** Largest message taken from the server: history answers are the largest, and they are cut to fit. */
const MAX_FRAME = 1 << 24;
/** Milliseconds a socket has to say good-bye. */
const LINGER = 1000;

const ORDER: readonly LaneClass[] = ["control", "document", "conversation", "bot", "file"];

/** A WebSocket as far as the SDK uses it: that of browsers, or of npm `ws`. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** A `WebSocket` constructor: the global one, or another for runtimes that have none. */
export type WebSocketConstructor = new (url: string) => WebSocketLike;

/** A client's WebSocket. */
export class WebSocketTransport implements ClientTransport {
  readonly kind = "websocket";
  readonly laneful = false;
  readonly maxDatagramSize = 0;
  readonly traffic: TransportTraffic = noTraffic();
  onMessage: ClientTransport["onMessage"] = () => {};
  onClose: ClientTransport["onClose"] = () => {};
  onLaneLost: ClientTransport["onLaneLost"] = () => {};
  onError: ClientTransport["onError"] = () => {};
  readonly #url: string;
  readonly #Socket: WebSocketConstructor;
  readonly #queues = new Map<LaneClass, JsonEncoded[]>(ORDER.map((cls) => [cls, []]));
  #socket: WebSocketLike | undefined;
  #scheduled = false;
  #mark = LOW_MARK;
  #drain: ReturnType<typeof setTimeout> | undefined;
  #ours: TransportEnd | undefined;
  #ended = false;
  /** Resolves when a dial that was called off has ended. */
  #gone: Promise<void> | undefined;
  #whenEnded: (() => void)[] = [];

  /** Dials `url` (`ws:` or `wss:`) with `Socket`, by default the runtime's own. */
  constructor(url: string | URL, Socket: WebSocketConstructor = globalThis.WebSocket) {
    this.#url = String(url);
    this.#Socket = Socket;
  }

  connect(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const socket = new this.#Socket(this.#url);
      this.#socket = socket;
      socket.binaryType = "arraybuffer";
      const settle = (): void => signal?.removeEventListener("abort", aborted);
      const aborted = (): void => {
        socket.onopen = () => socket.close();
        socket.onmessage = null;
        this.#gone = new Promise((gone) => {
          // The runtime may never tell of it.
          const timer = setTimeout(gone, LINGER);
          socket.onclose = () => {
            clearTimeout(timer);
            gone();
          };
        });
        socket.close();
        this.#ended = true;
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", aborted, { once: true });
      // The error event says nothing of use, and a close event follows it.
      socket.onerror = () => {};
      socket.onclose = ({ code, reason }: CloseEvent) => {
        settle();
        this.#ended = true;
        reject(new Error(`no WebSocket connection (${code}${reason === "" ? "" : ` ${reason}`})`));
      };
      socket.onopen = () => {
        settle();
        socket.onmessage = ({ data }: MessageEvent) => this.#receive(data);
        socket.onclose = ({ code, reason }: CloseEvent) =>
          this.#end({
            code: code < 1000 || code === 1005 || code === 1006 ? 0 : code,
            reason,
            by: code === 1006 ? "error" : "remote",
          });
        resolve();
        this.#wake();
      };
    });
  }

  send(message: JsonEncoded, lane: number): void {
    if (this.#ended || this.#ours !== undefined) return;
    this.#queues.get(laneClass(lane))!.push(message);
    this.#wake();
  }

  sendDatagram(_message: JsonEncoded): boolean {
    return false;
  }

  stopDatagrams(): void {}

  openLane(_lane: number): void {}

  close(code = 1000, reason = ""): Promise<void> {
    const socket = this.#socket;
    if (this.#ended || socket === undefined) return this.#gone ?? Promise.resolve();
    const ended = new Promise<void>((resolve) => this.#whenEnded.push(resolve));
    if (this.#ours !== undefined) return ended;
    this.#flush();
    this.#ours = { code, reason, by: "local" };
    // Browsers let a page close with 1000 and 3000 to 4999 only.
    if (code === 1000 || code >= 3000) socket.close(code, reason.slice(0, 100));
    else socket.close();
    // Without a good-bye of the peer the browser keeps the socket for a while; nobody here waits for that.
    const timer = setTimeout(() => this.#end(this.#ours!), LINGER);
    this.#whenEnded.push(() => clearTimeout(timer));
    return ended;
  }

  #end(end: TransportEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#drain);
    const socket = this.#socket!;
    socket.onmessage = socket.onclose = null;
    for (const queue of this.#queues.values()) queue.length = 0;
    for (const resolve of this.#whenEnded.splice(0)) resolve();
    this.onClose(this.#ours ?? end);
  }

  #wake(): void {
    if (this.#scheduled || this.#drain !== undefined) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const socket = this.#socket;
    if (this.#ended || socket === undefined || socket.readyState !== 1) return;
    for (;;) {
      // Above the mark messages wait here, where priority still counts.
      if (socket.bufferedAmount > this.#mark) {
        this.#drain = setTimeout(() => {
          this.#drain = undefined;
          this.#mark = nextMark(this.#mark, socket.bufferedAmount);
          this.#flush();
        }, LOOK);
        return;
      }
      const batch = this.#takeBatch();
      if (batch.length === 0) return;
      this.traffic.messagesOut += batch.length;
      if (batch.length === 1 && !batch[0]!.binary) {
        const text = batch[0]!.text();
        this.traffic.bytesOut += text.length;
        socket.send(text);
      } else {
        const bytes = batch.length === 1 ? batch[0]!.framed("json") as Uint8Array<ArrayBuffer> : join(batch);
        this.traffic.bytesOut += bytes.length;
        socket.send(bytes);
      }
    }
  }

  /** What leaves next: by priority, and no more than one frame should hold. */
  #takeBatch(): JsonEncoded[] {
    const batch: JsonEncoded[] = [];
    let bytes = 0;
    for (const cls of ORDER) {
      const queue = this.#queues.get(cls)!;
      let count = 0;
      while (count < queue.length && (bytes === 0 || bytes + queue[count]!.room("json") <= BATCH)) {
        bytes += queue[count]!.room("json");
        batch.push(queue[count++]!);
      }
      const rest = count < queue.length;
      queue.splice(0, count);
      if (rest) break;
    }
    return batch;
  }

  #receive(data: unknown): void {
    if (typeof data === "string") {
      this.traffic.bytesIn += data.length;
      return this.#take(() => decodeText(data));
    }
    if (!(data instanceof ArrayBuffer)) return;
    this.traffic.bytesIn += data.byteLength;
    const bytes = new Uint8Array(data);
    let at = 0;
    try {
      while (at < bytes.length && !this.#ended) {
        const scan = scanFrame(bytes, at, bytes.length, MAX_FRAME);
        if (scan.kind === "more") throw new Error("a binary frame that ends within a message");
        const frame = bytes.subarray(scan.start, scan.end);
        at = scan.end;
        this.#take(() => decodeFrame(frame).message);
      }
    } catch (error) {
      this.onError(error);
    }
  }

  #take(decode: () => Message): void {
    let message: Message;
    try {
      message = decode();
    } catch (error) {
      return this.onError(error);
    }
    this.traffic.messagesIn++;
    this.onMessage(message, 0, false);
  }
}

function join(messages: readonly JsonEncoded[]): Uint8Array<ArrayBuffer> {
  let room = 0;
  for (const message of messages) room += message.room("json");
  const bytes = new Uint8Array(room);
  let at = 0;
  for (const message of messages) at = message.writeTo(bytes, at, "json");
  return bytes.subarray(0, at);
}

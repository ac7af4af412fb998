/**
 * One WebSocket of a server, on a byte stream: messages in and out, ping and pong, the closing handshake, and an end that
 * ends. Limits hold from the first byte; reading can be paused, so that a peer that sends too much is held back by its
 * own network connection.
 *
 * @module
 */

import { CLOSE, WebSocketError } from "./errors.ts";
import { type FrameHandler, FrameReader } from "./frame_reader.ts";
import { encodeBinary, encodeClose, encodeFrame, encodeText, opcodeOf, payloadOf } from "./frame_writer.ts";
import { deflate, inflate } from "./deflate.ts";
import { OVERHEAD_RATE, OverheadBudget } from "./overhead.ts";
import { Pongs } from "./pongs.ts";

/** The byte stream below: what of node's `net.Socket` is used. */
export interface ByteSocket {
  readonly writableLength: number;
  readonly destroyed: boolean;
  write(bytes: Uint8Array): boolean;
  end(): unknown;
  end(bytes: Uint8Array): unknown;
  destroy(): unknown;
  pause(): unknown;
  resume(): unknown;
  cork(): void;
  uncork(): void;
  setNoDelay(noDelay: boolean): unknown;
  setTimeout(ms: number): unknown;
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "close" | "drain", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** How a WebSocket ended. */
export interface WebSocketClose {
  /** A close code; 1005 and 1006 as in browsers. */
  readonly code: number;
  readonly reason: string;
}

/** Who is told what comes. */
export interface WebSocketHandler {
  /** `size`: bytes on the wire. */
  text(text: string, size: number): void;
  /** The bytes are valid only during the call. */
  binary(data: Uint8Array, size: number): void;
  /** Control frames and fragments came: how many. */
  overhead?(frames: number): void;
  /** There were too many of them: the peer is not read for `ms` milliseconds. */
  heldBack?(ms: number): void;
  /** The peer broke the rules (WebSocketError), or the handler itself threw: the connection is closed with the error's code, or 1011. */
  failed?(error: unknown): void;
  /** What waited to be written has been. */
  drained?(): void;
  /** Once, when the stream has ended and its descriptor is free. */
  closed(info: WebSocketClose): void;
}

/** Options of a connection. */
export interface WebSocketOptions {
  /** Bytes of a message at most, before and after decompression. */
  readonly maxMessage: number;
  /** permessage-deflate was agreed on: messages of this many bytes and more are sent compressed. @default never */
  readonly deflateFrom?: number | undefined;
  /** Control frames and fragments a second that are read without holding the peer back. @default 100 */
  readonly overheadRate?: number;
}

/** Milliseconds for the peer's close frame, and then for the end of the stream. */
const CLOSE_TIMEOUT = 1000;
/** Bytes that are read and thrown away after a violation, so that the peer gets the close frame. */
const MAX_DISCARDED = 256 * 1024;

/** A WebSocket whose handshake is done. */
export class WebSocketConnection implements FrameHandler {
  readonly #socket: ByteSocket;
  readonly #reader: FrameReader;
  readonly #deflateFrom: number;
  readonly #overhead: OverheadBudget;
  #head: Uint8Array | undefined;
  #handler: WebSocketHandler | undefined;
  /** Who asked for a pause: the owner, or the bound on control frames. */
  #pausedByOwner = false;
  #pauseTimer: ReturnType<typeof setTimeout> | undefined;
  #closeSent: WebSocketClose | undefined;
  #closeReceived: WebSocketClose | undefined;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;
  #failed = false;
  /** Bytes that came after a violation. */
  #discarded = 0;
  readonly #pongs = new Pongs();

  /** Takes over a socket after the handshake; `head`: what it has read beyond the request. */
  constructor(socket: ByteSocket, head: Uint8Array, options: WebSocketOptions) {
    this.#socket = socket;
    this.#head = head;
    this.#deflateFrom = options.deflateFrom ?? Infinity;
    this.#overhead = new OverheadBudget(options.overheadRate ?? OVERHEAD_RATE, performance.now());
    const compressed = options.deflateFrom !== undefined;
    this.#reader = new FrameReader(this, options.maxMessage, compressed ? inflate : undefined);
    socket.setNoDelay(true);
    socket.setTimeout(0);
    socket.pause();
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#closed());
    socket.on("end", () => this.#peerEnded());
  }

  /** Whether permessage-deflate was agreed on. */
  get compresses(): boolean {
    return this.#deflateFrom !== Infinity;
  }

  /** Whether messages can be sent. */
  get open(): boolean {
    return this.#closeSent === undefined && this.#closeReceived === undefined && !this.#ended;
  }

  /** Bytes handed over and not yet taken by the network. */
  get bufferedAmount(): number {
    return this.#socket.writableLength;
  }

  /** Bytes of a message at most; holds for messages whose header has not been read. */
  set maxMessage(bytes: number) {
    this.#reader.maxMessage = bytes;
  }

  /** Begins to read. Called once. */
  start(handler: WebSocketHandler): void {
    this.#handler = handler;
    const socket = this.#socket;
    if (this.#ended) return handler.closed(this.#outcome());
    if (handler.drained !== undefined) socket.on("drain", () => this.#handler?.drained?.());
    socket.on("data", (chunk) => this.#received(chunk));
    const head = this.#head;
    this.#head = undefined;
    if (head !== undefined && head.length > 0) this.#received(head);
    this.#flow();
  }

  // --- out ---

  /** Frames sent until `uncork` leave in one write. */
  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  /** Sends a text message. */
  sendText(text: string): void {
    this.sendFrame(encodeText(text));
  }

  /** Sends a binary message. The bytes are copied. */
  sendBinary(data: Uint8Array): void {
    this.sendFrame(encodeBinary(data));
  }

  /** Sends a frame of `encodeText` or `encodeBinary`, whose bytes any number of connections may share. */
  sendFrame(frame: Uint8Array): void {
    if (frame.length < this.#deflateFrom) return this.#write(frame);
    const packed = deflate(payloadOf(frame));
    this.#write(packed === undefined ? frame : encodeFrame(opcodeOf(frame), packed, true));
  }

  #write(frame: Uint8Array): void {
    if (this.open) this.#socket.write(frame);
  }

  // --- pauses ---

  /** Nothing more is read until `resume`: the peer is held back by its own network connection. */
  pause(): void {
    this.#pausedByOwner = true;
    this.#flow();
  }

  /** Reads again. */
  resume(): void {
    this.#pausedByOwner = false;
    this.#flow();
  }

  /** Makes reading what the pauses say. */
  #flow(): void {
    const paused = this.#pausedByOwner || this.#pauseTimer !== undefined || this.#handler === undefined;
    if (paused) {
      this.#reader.paused = true;
      this.#socket.pause();
      return;
    }
    if (this.#ended || this.#failed) return;
    if (this.#reader.paused) this.#parse(() => this.#reader.resume());
    if (this.#reader.paused || this.#ended || this.#failed) return;
    this.#socket.resume();
  }

  #received(chunk: Uint8Array): void {
    if (!this.#failed) return this.#parse(() => this.#reader.push(chunk));
    // After a violation what follows cannot be understood.
    this.#discarded += chunk.length;
    if (this.#discarded > MAX_DISCARDED) this.#socket.destroy();
  }

  #parse(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#handler?.failed?.(error);
      if (error instanceof WebSocketError) return this.#fail(error.code, error.message);
      return this.#fail(CLOSE.internalError, "internal error");
    }
    this.#sendPong();
    if (this.#reader.overhead > 0) this.#charge();
  }

  /** Holds back a peer that sends control frames or fragments faster than anybody needs. */
  #charge(): void {
    const frames = this.#reader.overhead;
    this.#reader.overhead = 0;
    this.#handler?.overhead?.(frames);
    const ms = this.#overhead.charge(frames, performance.now());
    if (ms === 0 || this.#pauseTimer !== undefined || this.#ended) return;
    this.#handler?.heldBack?.(ms);
    this.#pauseTimer = setTimeout(() => {
      this.#pauseTimer = undefined;
      this.#flow();
    }, ms);
    this.#flow();
  }

  // --- driven by the reader ---

  /** @ignore */
  text(text: string, size: number): void {
    // The answer to a ping that came before leaves before the answer to this.
    this.#sendPong();
    if (this.#closeSent === undefined) this.#handler?.text(text, size);
  }

  /** @ignore */
  binary(data: Uint8Array, size: number): void {
    this.#sendPong();
    if (this.#closeSent === undefined) this.#handler?.binary(data, size);
  }

  /** @ignore */
  ping(payload: Uint8Array): void {
    this.#pongs.add(payload);
  }

  /** @ignore */
  pong(): void {}

  /** @ignore */
  close(code: number, reason: string): void {
    this.#closeReceived = { code, reason };
    this.#sendPong();
    // The answer repeats the code (RFC 6455 §5.5.1). The server ends the stream first.
    if (this.#closeSent === undefined) {
      this.#socket.end(encodeClose(code === CLOSE.noStatus ? CLOSE.normal : code, ""));
    } else this.#socket.end();
    this.#endWithin(CLOSE_TIMEOUT);
  }

  #sendPong(): void {
    const pongs = this.#pongs.take();
    if (pongs === undefined) return;
    // A peer that does not read gets no more pongs.
    if (this.#closeSent === undefined && this.#socket.writableLength === 0) this.#socket.write(pongs);
  }

  // --- the end ---

  /**
   * Closes with `code` and `reason`: sends what waits, then the close frame, and ends the stream when the peer has
   * answered, or after `timeout` milliseconds. `closed` follows.
   */
  end(code: number, reason: string, timeout: number = CLOSE_TIMEOUT): void {
    if (this.#ended || this.#closeSent !== undefined) return;
    const answered = this.#closeReceived !== undefined;
    this.#closeSent = { code, reason };
    if (answered) return;
    this.#socket.write(encodeClose(code, reason));
    // The peer's close frame has to be read.
    this.#pausedByOwner = false;
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = undefined;
    this.#endWithin(timeout);
    this.#flow();
  }

  /** Ends the stream at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  #fail(code: number, reason: string): void {
    if (this.#ended || this.#failed) return;
    this.#failed = true;
    this.#closeSent ??= { code, reason };
    this.#socket.end(encodeClose(code, reason));
    this.#endWithin(CLOSE_TIMEOUT);
    // Read on for a while: ending a stream with unread bytes would reset it before the frame arrives.
    this.#socket.resume();
  }

  #peerEnded(): void {
    this.#endWithin(CLOSE_TIMEOUT);
    this.#socket.end();
  }

  #endWithin(ms: number): void {
    if (this.#closeTimer !== undefined || this.#ended) return;
    this.#closeTimer = setTimeout(() => this.#socket.destroy(), ms);
  }

  #closed(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#closeTimer);
    clearTimeout(this.#pauseTimer);
    this.#reader.end();
    const handler = this.#handler;
    this.#handler = undefined;
    handler?.closed(this.#outcome());
  }

  #outcome(): WebSocketClose {
    return this.#closeReceived ?? this.#closeSent ?? { code: CLOSE.abnormal, reason: "" };
  }
}

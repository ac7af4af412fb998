/**
 * A stream over a WebRTC data channel: W3C streams of bytes, each half ended by itself. Data channels have no half-close
 * and no back pressure from the reader, so text messages say both.
 *
 * @module
 */

import { StreamError } from "./errors.ts";

/** Bytes of one message: what every browser takes. */
const CHUNK = 16 * 1024;
/** A write waits while more bytes than this are on their way. */
const HIGH_WATER = 1024 * 1024;
/** Bytes that may be sent before any was read, and how many more each `more` allows. */
const WINDOW = 4 * 1024 * 1024;
const STEP = 1024 * 1024;

/** What is said of a half of a stream. */
const SAID = {
  /** The sender has sent all. */
  end: "end",
  /** The sender has given up. */
  reset: "reset",
  /** The receiver reads no more. */
  stop: "stop",
  /** It has read another `STEP` bytes. */
  more: "more",
} as const;

/** Both halves. */
export interface ChannelStreams {
  readonly writable: WritableStream<Uint8Array>;
  readonly readable: ReadableStream<Uint8Array>;
}

/** @param sends Whether this side sends; @param receives whether the other one does. */
export interface ChannelHalves {
  readonly sends: boolean;
  readonly receives: boolean;
}

/** Makes the streams of a channel. It is closed when both halves have ended. */
export function channelStreams(channel: RTCDataChannel, { sends, receives }: ChannelHalves): ChannelStreams {
  channel.binaryType = "arraybuffer";
  channel.bufferedAmountLowThreshold = HIGH_WATER / 2;
  let open = (sends ? 1 : 0) + (receives ? 1 : 0);
  const ended = (): void => {
    if (--open === 0) channel.close();
  };
  const say = (what: string): void => {
    if (channel.readyState === "open") channel.send(what);
  };
  const outgoing = new Outgoing(channel, ended, say);
  const incoming = new Incoming(ended, say);
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (data instanceof ArrayBuffer) incoming.took(new Uint8Array(data));
    else if (data === SAID.stop) outgoing.fail(new StreamError("stream_reset", "the peer stopped reading"));
    else if (data === SAID.more) outgoing.allow();
    else if (data === SAID.end) incoming.end();
    else incoming.fail(new StreamError("stream_reset", "the peer reset the stream"));
  };
  channel.onclose = () => {
    const error = new StreamError("stream_reset", "the peer closed the stream");
    outgoing.fail(error);
    incoming.fail(error);
  };
  return { writable: outgoing.stream, readable: incoming.stream };
}

class Outgoing {
  readonly stream: WritableStream<Uint8Array>;
  readonly #channel: RTCDataChannel;
  readonly #ended: () => void;
  #controller!: WritableStreamDefaultController;
  #isOver = false;
  /** Bytes that may be sent. */
  #credit = WINDOW;
  #waiting: (() => void) | undefined;

  constructor(channel: RTCDataChannel, ended: () => void, say: (what: string) => void) {
    this.#channel = channel;
    this.#ended = ended;
    channel.onbufferedamountlow = () => this.#wake();
    this.stream = new WritableStream({
      start: (controller) => void (this.#controller = controller),
      write: (bytes) => this.#write(bytes),
      close: () => {
        say(SAID.end);
        this.#end();
      },
      abort: () => {
        say(SAID.reset);
        this.#end();
      },
    });
  }

  /** The peer has read on. */
  allow(): void {
    // One that says so without having read must not make it grow for ever.
    this.#credit = Math.min(this.#credit + STEP, WINDOW);
    this.#wake();
  }

  /** Nothing more can be sent. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#controller.error(error);
    this.#end();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      while (!this.#isOver && (this.#credit <= 0 || this.#channel.bufferedAmount > HIGH_WATER)) {
        await new Promise<void>((resolve) => this.#waiting = resolve);
      }
      if (this.#isOver) return;
      const chunk = bytes.subarray(at, at + CHUNK) as Uint8Array<ArrayBuffer>;
      this.#credit -= chunk.length;
      // Copied by the browser at once, so that the caller may change its bytes.
      this.#channel.send(chunk);
    }
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#wake();
    this.#ended();
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }
}

class Incoming {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #ended: () => void;
  readonly #say: (what: string) => void;
  readonly #queue: Uint8Array[] = [];
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** A read waits. */
  #pulled: (() => void) | undefined;
  #unread = 0;
  #read = 0;
  #hasEnded = false;
  #isOver = false;

  constructor(ended: () => void, say: (what: string) => void) {
    this.#ended = ended;
    this.#say = say;
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#pull(),
      cancel: () => {
        say(SAID.stop);
        this.#end();
      },
    }, { highWaterMark: 0 });
  }

  took(bytes: Uint8Array): void {
    if (this.#isOver || this.#hasEnded) return;
    this.#queue.push(bytes);
    this.#unread += bytes.length;
    // The last message that credit was left for may be a whole chunk.
    if (this.#unread > WINDOW + CHUNK) {
      this.#say(SAID.stop);
      return this.fail(new StreamError("stream_aborted", "the peer sent more than it may"));
    }
    this.#give();
  }

  end(): void {
    this.#hasEnded = true;
    this.#give();
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#controller.error(error);
    this.#end();
  }

  #pull(): Promise<void> {
    return new Promise((resolve) => {
      this.#pulled = resolve;
      this.#give();
    });
  }

  /** Gives a read what it waits for. */
  #give(): void {
    if (this.#pulled === undefined || this.#isOver) return;
    const bytes = this.#queue.shift();
    if (bytes === undefined && !this.#hasEnded) return;
    if (bytes === undefined) {
      this.#controller.close();
      this.#end();
    } else {
      this.#controller.enqueue(bytes);
      this.#count(bytes.length);
    }
    this.#pulled?.();
    this.#pulled = undefined;
  }

  #count(bytes: number): void {
    this.#unread -= bytes;
    this.#read += bytes;
    if (this.#read < STEP) return;
    this.#read -= STEP;
    this.#say(SAID.more);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#queue.length = 0;
    this.#pulled?.();
    this.#pulled = undefined;
    this.#ended();
  }
}

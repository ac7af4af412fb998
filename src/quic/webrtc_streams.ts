/**
 * A stream over a WebRTC data channel: W3C streams of bytes, each half ended by itself. Data channels have no half-close
 * and no back pressure towards the sender, so text messages say the first, and the second is bounded here.
 *
 * @module
 */

import { StreamError } from "./errors.ts";

/** Bytes of one message: what every browser takes. */
const CHUNK = 16 * 1024;
/** A write waits while more bytes than this are on their way. */
const HIGH_WATER = 1024 * 1024;
/** Bytes that may wait for a reader; a peer that sends more without being read loses the stream. */
const MAX_UNREAD = 16 * 1024 * 1024;

/** What is said of a half of a stream. */
const SAID = {
  /** The sender has sent all. */
  end: "end",
  /** The sender has given up. */
  reset: "reset",
  /** The receiver reads no more. */
  stop: "stop",
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
  #low: (() => void) | undefined;

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

  /** Nothing more can be sent. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#controller.error(error);
    this.#end();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      while (this.#channel.bufferedAmount > HIGH_WATER && !this.#isOver) {
        await new Promise<void>((resolve) => this.#low = resolve);
      }
      if (this.#isOver) return;
      // Copied by the browser at once, so that the caller may change its bytes.
      this.#channel.send(bytes.subarray(at, at + CHUNK) as Uint8Array<ArrayBuffer>);
    }
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#wake();
    this.#ended();
  }

  #wake(): void {
    this.#low?.();
    this.#low = undefined;
  }
}

class Incoming {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #ended: () => void;
  readonly #say: (what: string) => void;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #isOver = false;

  constructor(ended: () => void, say: (what: string) => void) {
    this.#ended = ended;
    this.#say = say;
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => {
        say(SAID.stop);
        this.#end();
      },
    }, new ByteLengthQueuingStrategy({ highWaterMark: MAX_UNREAD }));
  }

  took(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#controller.enqueue(bytes);
    if (this.#controller.desiredSize! >= 0) return;
    this.#say(SAID.stop);
    this.fail(new StreamError("stream_aborted", "the peer sent more than was read"));
  }

  end(): void {
    if (this.#isOver) return;
    this.#controller.close();
    this.#end();
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#controller.error(error);
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ended();
  }
}

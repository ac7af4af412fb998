/**
 * What peers say to each other about a document, in frames on a stream: a length of four bytes, a kind, and content that
 * is sealed where the document has a key.
 *
 * @module
 */

import type { ReceiveStream, SendStream } from "../../quic/types.ts";
import type { Cipher } from "../documents/encryption.ts";

/** The kinds of frames. */
export const FRAME = { vector: 0, update: 1, awareness: 2 } as const;
/** A kind of frame. */
export type FrameKind = typeof FRAME[keyof typeof FRAME];

/** Largest frame: a whole document may come in one. */
const MAX_FRAME = 64 * 1024 * 1024;
/** Bytes that may wait for a slow peer; with more it is left, and brought up to date when it returns. */
const MAX_WAITING = 16 * 1024 * 1024;
/** Longest first line of a stream. */
const MAX_LINE = 1024;
const NEWLINE = 10;

/** A frame that came. */
export interface Frame {
  readonly kind: FrameKind;
  readonly content: Uint8Array;
}

/** Seals and opens the frames of one document. */
export interface FrameContext {
  readonly channel: string;
  readonly cipher: Cipher | undefined;
}

/** Writes frames in order, one write at a time. */
export class FrameWriter {
  readonly #stream: SendStream;
  readonly #context: FrameContext;
  readonly #failed: () => void;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #over = false;

  /** @param failed Called once when the stream takes nothing any more. */
  constructor(stream: SendStream, context: FrameContext, failed: () => void) {
    this.#stream = stream;
    this.#context = context;
    this.#failed = failed;
  }

  /** Sends a line before the first frame. */
  line(text: string): void {
    this.#write(() => Promise.resolve(new TextEncoder().encode(`${text}\n`)), text.length);
  }

  /** Sends a frame. */
  send(kind: FrameKind, content: Uint8Array): void {
    const { cipher, channel } = this.#context;
    this.#write(async () => {
      const said = kind === FRAME.awareness ? "awareness" : "operation";
      const sealed = cipher === undefined ? content : await cipher.seal(said, channel, content);
      const bytes = new Uint8Array(5 + sealed.length);
      new DataView(bytes.buffer).setUint32(0, sealed.length + 1);
      bytes[4] = kind;
      bytes.set(sealed, 5);
      return bytes;
    }, content.length);
  }

  /** Ends the stream after what was sent. */
  end(): void {
    this.#last = this.#last.then(() => this.#stream.end()).catch(() => {});
    this.#over = true;
  }

  #write(make: () => Promise<Uint8Array>, size: number): void {
    if (this.#over) return;
    this.#waiting += size;
    if (this.#waiting > MAX_WAITING) return this.#fail();
    this.#last = this.#last.then(async () => {
      await this.#stream.write(await make());
      this.#waiting -= size;
    }).catch(() => this.#fail());
  }

  #fail(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.abort();
    this.#failed();
  }
}

/** The first line of a stream. Rejects when it is too long, or the stream ends before. */
export async function readLine(stream: ReceiveStream): Promise<string> {
  const line: number[] = [];
  for (;;) {
    const [byte] = await stream.readExact(1);
    if (byte === NEWLINE) return new TextDecoder().decode(Uint8Array.from(line));
    if (line.push(byte!) > MAX_LINE) throw new RangeError("the first line of a stream is too long");
  }
}

/** The frames of a stream, in order. Ends, or throws, with the stream; throws at what is no frame of the document. */
export async function* readFrames(
  stream: ReceiveStream,
  { channel, cipher }: FrameContext,
): AsyncGenerator<Frame> {
  for (;;) {
    const head = await stream.readExact(5);
    const length = new DataView(head.buffer).getUint32(0);
    const kind = head[4]!;
    if (length < 1 || length > MAX_FRAME) throw new RangeError(`a frame of ${length} bytes`);
    if (kind !== FRAME.vector && kind !== FRAME.update && kind !== FRAME.awareness) {
      throw new RangeError(`a frame of kind ${kind}`);
    }
    const sealed = length === 1 ? new Uint8Array() : await stream.readExact(length - 1);
    const said = kind === FRAME.awareness ? "awareness" : "operation";
    yield { kind, content: cipher === undefined ? sealed : await cipher.open(said, channel, sealed) };
  }
}

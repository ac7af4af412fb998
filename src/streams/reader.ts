/**
 * Reads frames from a byte stream: in place, from one recycled buffer that grows while the stream is busy
 * and shrinks when it is not.
 *
 * @module
 */

import { CloseError, ProtocolError, readVarint, varintLength } from "../protocol/core.ts";

/** Where bytes come from: the receiving half of a stream. */
export interface ByteSource {
  /**
   * Reads into `buffer` and resolves with a view over the same memory, or with `null` at the end. `buffer` is
   * detached by the call.
   */
  read(buffer: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** Called with what is read. */
export interface FrameHandler {
  /**
   * The stream's first varint. Throw to refuse the stream. Not called with the option `header: false`.
   */
  header?(lane: number): void;
  /** One frame, valid only during the call. A promise pauses the stream until it resolves. */
  frame(frame: Uint8Array): void | Promise<void>;
}

/** Smallest read buffer: what an idle stream holds. */
const SMALLEST = 1024;
/** Largest read buffer, but for a frame that needs more. */
const LARGEST = 65536;

/** Options of `readFrames`. */
export interface ReadFramesOptions {
  /** Largest frame in bytes, asked for at each frame: it rises after authentication. */
  maxFrame: () => number;
  /** Whether the stream begins with a varint of its own, the lane. @default true */
  header?: boolean;
}

/**
 * Reads frames until the stream ends, and resolves then; also when it ends before it has said anything. Rejects with what the source rejects with, with a
 * CloseError when the bytes are not frames (an empty frame, one above the limit), with a ProtocolError when the
 * stream ends within a frame (Deno has no RESET_STREAM: giving a stream up looks just so), and with what
 * `handler` throws.
 */
export async function readFrames(
  source: ByteSource,
  handler: FrameHandler,
  options: ReadFramesOptions,
): Promise<void> {
  let store = new ArrayBuffer(SMALLEST);
  let start = 0; // first byte not consumed
  let end = 0; // first byte not filled
  let headerDue = options.header ?? true;
  let need = 0; // bytes that the frame begun takes in all
  for (;;) {
    const room = store.byteLength - end;
    const view = await source.read(new Uint8Array(store, end, room));
    if (view === null) {
      if (end > start) throw new ProtocolError("bad_request", "a stream ended within a frame");
      return;
    }
    const got = view.byteLength;
    store = view.buffer;
    end += got;
    const bytes = new Uint8Array(store, 0, end);
    need = 0;
    if (headerDue) {
      const lane = readVarint(bytes, 0, end);
      if (lane >= 0) {
        headerDue = false;
        start = varintLength(bytes[0]!);
        handler.header?.(lane);
      }
    }
    if (!headerDue) {
      for (;;) {
        const length = frameLength(bytes, start, end);
        if (length < 0) {
          need = start < end ? varintLength(bytes[start]!) : 0;
          break;
        }
        if (length > options.maxFrame()) {
          throw new CloseError(
            "message_too_large",
            `a frame of ${length} bytes, limit ${options.maxFrame()}`,
          );
        }
        if (length === 0) throw new CloseError("bad_request", "an empty frame");
        const body = start + varintLength(bytes[start]!);
        if (body + length > end) {
          need = body + length - start;
          break;
        }
        start = body + length;
        const pause = handler.frame(bytes.subarray(body, start));
        if (pause !== undefined) await pause;
      }
    }
    const rest = end - start;
    let capacity = nextCapacity(store.byteLength, got, room);
    if (capacity < need || capacity <= rest) capacity = powerOfTwo(Math.max(need, rest + 1));
    if (capacity !== store.byteLength) {
      const next = new Uint8Array(capacity);
      if (rest > 0) next.set(bytes.subarray(start, end));
      store = next.buffer;
    } else if (rest > 0 && start > 0) {
      bytes.copyWithin(0, start, end);
    }
    start = 0;
    end = rest;
  }
}

function frameLength(bytes: Uint8Array, at: number, end: number): number {
  try {
    return readVarint(bytes, at, end);
  } catch (cause) {
    throw new CloseError("message_too_large", "a frame length above 2^53", { cause });
  }
}

/** Grows when a read filled its room, shrinks when it used less than an eighth of the capacity. Exported for tests. */
export function nextCapacity(capacity: number, got: number, room: number): number {
  if (got === room) return Math.max(capacity, Math.min(capacity * 4, LARGEST));
  if (got < capacity / 8) return Math.max(capacity / 4, SMALLEST);
  return capacity;
}

function powerOfTwo(bytes: number): number {
  return bytes <= SMALLEST ? SMALLEST : 2 ** Math.ceil(Math.log2(bytes));
}

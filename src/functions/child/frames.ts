/**
 * Frames between the service and an isolate: on a pipe, in both directions. A frame is two lengths (4 bytes each, big
 * endian), a header in JSON of the first length, and as many bytes as the second says.
 *
 * @module
 */

/** A frame. */
export interface Frame {
  readonly header: Readonly<Record<string, unknown>>;
  /** A copy of its own. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The other side breaks the rules of frames. Exported for tests. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** Most bytes of a frame, both parts together. Exported for tests. */
export const MAX_FRAME = 16 * 1024 * 1024;

const PREFIX = 8;
const EMPTY = new Uint8Array();
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The bytes of a frame. Throws FrameError when it is too large, TypeError for what is no JSON. */
export function encodeFrame(
  header: Readonly<Record<string, unknown>>,
  bytes: Uint8Array = EMPTY,
): Uint8Array<ArrayBuffer> {
  const json = encoder.encode(JSON.stringify(header));
  if (json.length + bytes.length > MAX_FRAME) throw new FrameError(`more than ${MAX_FRAME} bytes`);
  const frame = new Uint8Array(PREFIX + json.length + bytes.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, json.length);
  view.setUint32(4, bytes.length);
  frame.set(json, PREFIX);
  frame.set(bytes, PREFIX + json.length);
  return frame;
}

/** Chunks as one. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** Finds the frames in what a pipe brings. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** The frames that are whole now. Throws FrameError, and then the pipe is of no more use. */
  *push(chunk: Uint8Array): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    let buffer: Uint8Array | undefined;
    let at = 0;
    for (;;) {
      if (buffer === undefined) {
        if (this.#length < PREFIX || this.#length < this.#needed()) return;
        buffer = this.#join();
      }
      const left = buffer.length - at;
      const need = left < PREFIX ? PREFIX : sizeOf(buffer, at);
      if (left < need) break;
      yield decode(buffer, at, need);
      at += need;
    }
    this.#chunks = at === buffer.length ? [] : [buffer.slice(at)];
    this.#length = buffer.length - at;
  }

  /** Bytes of a frame that has not come whole. */
  get pending(): number {
    return this.#length;
  }

  /** The size of the frame that the first chunk begins with. */
  #needed(): number {
    if (this.#chunks[0]!.length < PREFIX) this.#chunks = [this.#join()];
    return sizeOf(this.#chunks[0]!, 0);
  }

  #join(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0]!;
    return joined(this.#chunks);
  }
}

/** The size of the frame at `at`, whose first 8 bytes are there. */
function sizeOf(buffer: Uint8Array, at: number): number {
  const view = new DataView(buffer.buffer, buffer.byteOffset + at, PREFIX);
  const size = view.getUint32(0) + view.getUint32(4);
  if (size > MAX_FRAME) throw new FrameError(`a frame of ${size} bytes`);
  return PREFIX + size;
}

function decode(buffer: Uint8Array, at: number, size: number): Frame {
  const json = new DataView(buffer.buffer, buffer.byteOffset + at, PREFIX).getUint32(0);
  const start = at + PREFIX;
  let header: unknown;
  try {
    header = JSON.parse(decoder.decode(buffer.subarray(start, start + json)));
  } catch (cause) {
    throw new FrameError("a header that is no JSON", { cause });
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw new FrameError("a header that is no object");
  }
  return {
    header: header as Frame["header"],
    bytes: buffer.slice(start + json, at + size) as Frame["bytes"],
  };
}

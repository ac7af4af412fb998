/**
 * What sender and receiver of a file say to each other on its stream: JSON behind four bytes of length, big endian. The
 * sender begins with an Offer; the receiver says where to begin (`offset`), how far it is (`received`, at least every
 * second), and the end: `saved`, or `error`. After its offer the sender writes the bytes of the file as they are.
 *
 * @module
 */

import * as v from "valibot";
import type { ReceiveStream } from "../../../quic/mod.ts";

/** Bytes of one frame. */
const MAX_FRAME = 8 * 1024;

const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** The sender's first frame. */
const Offer = v.object({
  type: v.literal("file/1"),
  name: v.pipe(v.string(), v.maxLength(1024)),
  size: bytes,
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

/** Frames of the receiver. */
const Answer = v.variant("type", [
  v.object({ type: v.literal("offset"), offset: bytes }),
  v.object({ type: v.literal("received"), received: bytes }),
  v.object({ type: v.literal("saved"), name: v.string() }),
  v.object({ type: v.literal("error"), code: v.string(), message: v.string() }),
]);

/** A file that is offered. */
export type Offer = v.InferOutput<typeof Offer>;
/** What the receiver says. */
export type Answer = v.InferOutput<typeof Answer>;

/** One frame. */
export function encodeFrame(frame: Offer | Answer): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(frame));
  const out = new Uint8Array(4 + text.length);
  new DataView(out.buffer).setUint32(0, text.length);
  out.set(text, 4);
  return out;
}

/** The offer at the beginning of a stream. Rejects with TypeError when it is none. */
export async function readOffer(stream: ReceiveStream): Promise<Offer> {
  return v.parse(Offer, await readFrame(stream));
}

/** The receiver's next frame. Rejects with TypeError when it is none, and when the stream ends. */
export async function readAnswer(stream: ReceiveStream): Promise<Answer> {
  return v.parse(Answer, await readFrame(stream));
}

async function readFrame(stream: ReceiveStream): Promise<unknown> {
  const head = await stream.readExact(4);
  const length = new DataView(head.buffer, head.byteOffset).getUint32(0);
  if (length > MAX_FRAME) throw new TypeError(`a frame of ${length} bytes`);
  return JSON.parse(new TextDecoder().decode(await stream.readExact(length)));
}

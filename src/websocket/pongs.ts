/**
 * Answers to pings that came together and have not been sent yet. Pure.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { encodeFrame, OPCODE } from "./frame_writer.ts";

/** Pings that are answered of those that came together. */
const MOST = 16;

/** Pongs that wait. A peer may not expect one for each of its pings (RFC 6455 §5.5.3): of many the newest are answered. */
export class Pongs {
  #frames: Uint8Array[] | undefined;

  /** Answers a ping with this payload. */
  add(payload: Uint8Array): void {
    const frames = this.#frames ??= [];
    if (frames.push(encodeFrame(OPCODE.pong, payload)) > MOST) frames.shift();
  }

  /** The frames that wait, as one; undefined when there are none. */
  take(): Uint8Array | undefined {
    const frames = this.#frames;
    this.#frames = undefined;
    if (frames === undefined || frames.length === 1) return frames?.[0];
    return Buffer.concat(frames);
  }
}

/**
 * Answers to pings, written as bytes at once: one that waits takes in those that follow.
 *
 * @module
 */

import { Encoded } from "./codec.ts";
import { uuidv7 } from "./id.ts";
import type { Message } from "./message.ts";
import type { PlainPing } from "./ping.ts";
import { type Queueing, queueingOf } from "./server_types.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const HEAD = encoder.encode('{"type":"pong","id":"');
const END = encoder.encode('","payload":{}}');
/** Bytes of the length before each pong; a varint need not be minimal (RFC 9000 §16). */
const PREFIX = 2;
const ID_AT = PREFIX + HEAD.length;
/** A pong up to the id it answers, made anew each millisecond. */
let start = new Uint8Array(0);
let startTime = NaN;

/** Bytes of all pongs that are put together. */
const MOST = 4096;
/** Room for the first one. */
const FIRST = 192;
/** Where the message stands for its type: the others of its fields are written as bytes alone. */
const PONG: Message = { type: "pong", id: "", timestamp: 0, re: "", payload: {} };
const QUEUEING = queueingOf(PONG);

/** Pongs in JSON, on connections that speak JSON. */
export class Pongs extends Encoded {
  #bytes = new Uint8Array(FIRST);
  #length = 0;
  #count = 0;
  #parts: Encoded[] | undefined;

  constructor() {
    super(PONG);
  }

  /** Bytes of a pong to `ping` at the time `now`, in milliseconds since the epoch; 0: there is no room for it. */
  bytesOf({ from, to }: PlainPing, now: number): number {
    if (now !== startTime) {
      startTime = now;
      start = encoder.encode(`??${decoder.decode(HEAD)}${uuidv7()}","timestamp":${now},"re":"`);
    }
    const bytes = start.length + to - from + END.length;
    return this.#length + bytes > MOST ? 0 : bytes;
  }

  /** Answers `ping`: takes the bytes that `bytesOf` has just said. Not to be called once it has left. */
  add(ping: PlainPing, bytes: number): void {
    const at = this.#length;
    if (at + bytes > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(MOST, 2 * (at + bytes)));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    const target = this.#bytes, length = bytes - PREFIX;
    target.set(start, at);
    target[at] = 0x40 | (length >> 8);
    target[at + 1] = length & 0xff;
    const id = uuidv7();
    for (let i = 0; i < id.length; i++) target[at + ID_AT + i] = id.charCodeAt(i);
    let to = at + start.length;
    for (let i = ping.from; i < ping.to; i++) target[to++] = ping.bytes[i]!;
    target.set(END, to);
    this.#length = at + bytes;
    this.#count++;
  }

  override get count(): number {
    return this.#count;
  }

  override get queueing(): Queueing {
    return QUEUEING;
  }

  override get parts(): readonly Encoded[] | undefined {
    if (this.#count < 2) return undefined;
    return this.#parts ??= this.#texts().map((text) => new Encoded(PONG, false, text));
  }

  override get utf8(): Uint8Array | undefined {
    return this.#count < 2 ? this.#bytes.subarray(PREFIX, this.#length) : undefined;
  }

  override text(): string {
    return this.#texts().join("\n");
  }

  override framed(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  override size(): number {
    return this.#length;
  }

  override room(): number {
    return this.#length;
  }

  override writeTo(target: Uint8Array, at: number): number {
    target.set(this.framed(), at);
    return at + this.#length;
  }

  #texts(): string[] {
    const texts: string[] = [];
    for (let at = 0; at < this.#length;) {
      const end = at + PREFIX + ((this.#bytes[at]! & 0x3f) << 8 | this.#bytes[at + 1]!);
      texts.push(decoder.decode(this.#bytes.subarray(at + PREFIX, end)));
      at = end;
    }
    return texts;
  }
}

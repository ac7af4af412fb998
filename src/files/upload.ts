/**
 * One upload under way: chunks are taken in order, written one after the other, and hashed as they are written.
 *
 * @module
 */

import { ProtocolError } from "../protocol/mod.ts";
import type { FileLimits, UploadRequest } from "./contract.ts";
import type { PartialWriter } from "./partial_file.ts";
import { acknowledgeNow, refuseChunk } from "./rules.ts";

/** Most bytes put together for one write: each costs a turn to another thread and back. */
const GATHER = 262_144;
/** Milliseconds after which what is written is acknowledged, when nothing made it due before. */
const ACK_DELAY = 2;

/** What an upload is made with. */
export interface UploadParts {
  readonly uploadId: string;
  readonly key: string;
  readonly request: UploadRequest;
  /** Opens the file of its bytes. */
  readonly open: () => Promise<PartialWriter>;
  readonly limits: () => FileLimits;
  /** Whether it has to give way: then it goes in small steps. */
  readonly busy: () => boolean;
  /** How many ms to wait after so many bytes were written. */
  readonly pace: (bytes: number) => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told why the disk did not take it. */
  readonly failed: (error: unknown) => void;
}

interface Waiting {
  readonly data: Uint8Array;
  readonly length: number;
  readonly done: PromiseWithResolvers<void>;
}

/** A file on its way in. Made by `FileStore.start`. */
export class Upload {
  readonly uploadId: string;
  readonly key: string;
  readonly request: UploadRequest;
  /** Told how far the file is written; set by whoever sends the acknowledgements. */
  onWritten: (offset: number) => void = () => {};
  /** When it was last heard of, in milliseconds since the epoch. */
  activeAt: number;
  readonly #parts: UploadParts;
  #file: PartialWriter | undefined;
  #received = 0;
  #written = 0;
  #acknowledged = 0;
  #waiting: Waiting[] = [];
  #pump: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped: ProtocolError | undefined;
  #wake: (() => void) | undefined;

  /** `open` has to be called before chunks are pushed, unless `known`: all of it is there already. */
  constructor(parts: UploadParts, known: boolean) {
    this.#parts = parts;
    this.uploadId = parts.uploadId;
    this.key = parts.key;
    this.request = parts.request;
    this.activeAt = parts.now();
    this.known = known;
    if (known) this.#received = this.#written = this.#acknowledged = parts.request.size;
  }

  /** The store has the content: there is nothing to send. */
  readonly known: boolean;

  /** Bytes taken in; the next chunk begins here. */
  get offset(): number {
    return this.#received;
  }

  /** Whether chunks are being written or hashed. */
  get busy(): boolean {
    return this.#pump !== undefined;
  }

  /** Opens its file and finds how much of it is there. Rejects with what the file system says. */
  async open(): Promise<void> {
    const file = await this.#parts.open();
    this.#received = this.#written = this.#acknowledged = file.there;
    this.#file = file;
    if (this.#stopped !== undefined) await this.#close();
    // What is there is hashed meanwhile; chunks wait for it, and the window bounds them.
    else if (this.#written > 0) this.#start();
  }

  /**
   * Takes the next chunk, whose memory is given away; resolves once it is written. Throws ProtocolError: `file_gap`, `file_overlap`,
   * `file_beyond_end`, `file_window`, `message_too_large`, `unknown_upload` after its end. Rejects with
   * `not_available` when it cannot be written; then the upload is over, and begun anew goes on from what is written.
   */
  push(offset: number, data: Uint8Array): Promise<void> {
    if (this.#stopped !== undefined) throw this.#stopped;
    const { size } = this.request;
    const progress = { size, received: this.#received, written: this.#written };
    const chunk = { offset, length: data.length };
    const refused = refuseChunk(progress, chunk, this.#parts.limits(), this.#waiting.length);
    if (refused !== undefined) throw new ProtocolError(refused);
    this.activeAt = this.#parts.now();
    this.#received += data.length;
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ data, length: data.length, done });
    this.#start();
    return done.promise;
  }

  /**
   * Waits until all that was taken in is written, makes it durable and returns its hash in hexadecimal. Throws
   * ProtocolError `file_incomplete` when bytes are missing.
   */
  async finish(): Promise<string> {
    this.activeAt = this.#parts.now();
    if (this.#received !== this.request.size) throw new ProtocolError("file_incomplete");
    while (this.#pump !== undefined) await this.#pump;
    if (this.#stopped !== undefined) throw this.#stopped;
    return await this.#file!.finish();
  }

  /** Ends it: chunks that wait are refused with `why`. Resolves when its file is closed; what was written stays. */
  async stop(why: ProtocolError): Promise<void> {
    this.#stopped ??= why;
    clearTimeout(this.#timer);
    this.#wake?.();
    for (const { done } of this.#waiting.splice(0)) done.reject(this.#stopped);
    await this.#close();
    await this.#pump;
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  #start(): void {
    if (this.#pump !== undefined || this.#file === undefined) return;
    this.#pump = this.#run(this.#file).finally(() => {
      this.#pump = undefined;
      if (this.#waiting.length > 0) this.#start();
    });
  }

  async #run(file: PartialWriter): Promise<void> {
    const { busy, pace } = this.#parts;
    try {
      if (this.#waiting.length === 0) await file.append([]);
      while (this.#waiting.length > 0 && this.#stopped === undefined) {
        const batch = this.#gather();
        const bytes = batch.reduce((sum, { length }) => sum + length, 0);
        await file.append(batch.map(({ data }) => data));
        this.#written += bytes;
        if (this.#waiting[0] === batch[0]) this.#waiting.splice(0, batch.length);
        for (const { done } of batch) done.resolve();
        const pause = pace(bytes);
        if (pause > 0) await this.#sleep(pause);
        this.#acknowledge(busy());
      }
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** The chunks of the next write: they stay among those that wait until they are written. */
  #gather(): Waiting[] {
    if (this.#parts.busy()) return this.#waiting.slice(0, 1);
    let count = 1, length = this.#waiting[0]!.length;
    while (count < this.#waiting.length && length + this.#waiting[count]!.length <= GATHER) {
      length += this.#waiting[count++]!.length;
    }
    return this.#waiting.slice(0, count);
  }

  /** The disk does not take it: over, and begun anew it goes on from what is whole. */
  #fail(cause: unknown): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = new ProtocolError("not_available", "the file cannot be written now", { cause });
    clearTimeout(this.#timer);
    this.#parts.failed(cause);
    for (const { done } of this.#waiting.splice(0)) done.reject(this.#stopped);
  }

  // In small steps: what is sent upon it comes spread, and not in a heap that others wait behind.
  #acknowledge(atOnce: boolean): void {
    if (this.#stopped !== undefined) return;
    const progress = { size: this.request.size, received: this.#received, written: this.#written };
    if (atOnce || acknowledgeNow(progress, this.#acknowledged, this.#parts.limits().window)) {
      return this.#tell();
    }
    this.#timer ??= setTimeout(() => this.#tell(), ACK_DELAY);
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#stopped !== undefined || this.#written === this.#acknowledged) return;
    this.#acknowledged = this.#written;
    this.onWritten(this.#written);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

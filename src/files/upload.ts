/**
 * One upload under way: chunks are taken in order, written one after the other, and hashed as they are written.
 *
 * @module
 */

import { ProtocolError } from "../protocol/mod.ts";
import type { FileLimits, UploadRequest } from "./contract.ts";
import type { PartialWriter } from "./partial_file.ts";
import { type BlockPool, BlockQueue } from "./blocks.ts";
import { blockSize, refuseChunk } from "./rules.ts";

/** Blocks that the writer has at once. */
const AHEAD = 2;
/** Milliseconds that what is less than a block waits for more. */
const GATHER = 2;
/** Bytes acknowledged at once while others are to be given way to: what is sent upon it comes spread. */
const STEP = 65_536;

/** What an upload is made with. */
export interface UploadParts {
  readonly uploadId: string;
  readonly key: string;
  readonly request: UploadRequest;
  /** Opens the file of its bytes. */
  readonly open: () => Promise<PartialWriter>;
  readonly limits: () => FileLimits;
  /** Bytes that may be on their way or waiting. */
  readonly window: number;
  readonly pool: BlockPool;
  /** Whether it has to give way: then it goes in small steps. */
  readonly busy: () => boolean;
  /** How many ms to wait after so many bytes were written. */
  readonly pace: (bytes: number) => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told why the disk did not take it. */
  readonly failed: (error: unknown) => void;
}

/** A chunk that waits: it is written when the file has got to its end. */
interface Waiting {
  readonly end: number;
  readonly done: PromiseWithResolvers<void>;
}

/** A block that the writer has. */
interface Flying {
  readonly length: number;
  readonly written: Promise<ArrayBuffer>;
}

function fly(file: PartialWriter, block: Uint8Array<ArrayBuffer>): Flying {
  const { length } = block;
  const written = file.append(block);
  // It is waited for in its turn, or never when one before it failed.
  written.catch(() => {});
  return { length, written };
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
  readonly #queue: BlockQueue;
  readonly #waiting: Waiting[] = [];
  #pump: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isLate = false;
  #stopped: ProtocolError | undefined;
  #wake: (() => void) | undefined;

  /** `open` has to be called before chunks are pushed, unless `known`: all of it is there already. */
  constructor(parts: UploadParts, known: boolean) {
    this.#parts = parts;
    this.uploadId = parts.uploadId;
    this.key = parts.key;
    this.request = parts.request;
    this.activeAt = parts.now();
    this.#queue = new BlockQueue(parts.pool, blockSize(parts.request.size, parts.window));
    this.known = known;
    if (known) this.#received = this.#written = this.#acknowledged = parts.request.size;
  }

  /** The store has the content: there is nothing to send. */
  readonly known: boolean;

  /** Bytes that may be on their way or waiting: as they were promised at the start. None when all is there. */
  get window(): number {
    return this.known ? 0 : this.#parts.window;
  }

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
    else if (this.#written > 0) file.prepare().catch((cause) => this.#fail(cause));
    if (this.#due) this.#start();
  }

  /**
   * Takes a copy of the next chunk; resolves once it is written, or given up. Throws ProtocolError: `file_gap`, `file_overlap`,
   * `file_beyond_end`, `file_window`, `message_too_large`, `unknown_upload` after its end. Rejects with
   * `not_available` when it cannot be written; then the upload is over, and begun anew goes on from what is written.
   */
  push(offset: number, data: Uint8Array): Promise<void> {
    if (this.#stopped !== undefined) throw this.#stopped;
    const { size } = this.request;
    const progress = { size, received: this.#received, written: this.#written };
    const chunk = { offset, length: data.length };
    const limits = { maxChunk: this.#parts.limits().maxChunk, window: this.window };
    const refused = refuseChunk(progress, chunk, limits, this.#waiting.length);
    if (refused !== undefined) throw new ProtocolError(refused);
    this.activeAt = this.#parts.now();
    this.#received += data.length;
    const done = Promise.withResolvers<void>();
    this.#queue.push(data);
    this.#waiting.push({ end: this.#received, done });
    // Also when a block is full: what came beyond it waits no longer than this.
    this.#timer ??= setTimeout(this.#late, GATHER);
    if (this.#due) this.#start();
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

  /**
   * Ends it: chunks that come, and unless `cancelled` those that wait, are refused with `why`. Resolves when its file is
   * closed; what was written stays.
   */
  async stop(why: ProtocolError, cancelled = false): Promise<void> {
    this.#stopped ??= why;
    clearTimeout(this.#timer);
    this.#wake?.();
    // Whoever gives it up need not be told of each chunk.
    if (cancelled) { for (const { done } of this.#waiting.splice(0)) done.resolve(); }
    this.#refuse(this.#stopped);
    await this.#close();
    await this.#pump;
  }

  #close(): Promise<void> {
    this.#closing ??= this.#file?.close();
    this.#file = undefined;
    return this.#closing ?? Promise.resolve();
  }

  /** Whether something is to be written now, and not when more has come. */
  get #due(): boolean {
    return this.#queue.full || this.#isLate || this.#received === this.request.size;
  }

  readonly #late = (): void => {
    this.#timer = undefined;
    this.#isLate = true;
    this.#start();
  };

  #start(): void {
    if (this.#pump !== undefined || this.#file === undefined) return;
    this.#pump = this.#run(this.#file).finally(() => {
      this.#pump = undefined;
      if (this.#due && this.#waiting.length > 0) this.#start();
    });
  }

  async #run(file: PartialWriter): Promise<void> {
    const flying: Flying[] = [];
    try {
      while (this.#due && this.#stopped === undefined) {
        const block = this.#queue.take();
        if (this.#queue.empty) this.#isLate = false;
        if (block !== undefined) flying.push(fly(file, block));
        else if (flying.length === 0) return;
        // The next one is there when the writer is done with this one: it does not wait for the way here and back.
        if (flying.length < AHEAD && this.#queue.full) continue;
        await this.#land(flying.shift()!);
      }
      for (const each of flying) await this.#land(each);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  async #land({ length, written }: Flying): Promise<void> {
    this.#parts.pool.give(await written);
    this.#written += length;
    while (this.#waiting.length > 0 && this.#waiting[0]!.end <= this.#written) {
      this.#waiting.shift()!.done.resolve();
    }
    await this.#acknowledge();
  }

  /** The disk does not take it: over, and begun anew it goes on from what is whole. */
  #fail(cause: unknown): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = new ProtocolError("not_available", "the file cannot be written now", { cause });
    clearTimeout(this.#timer);
    this.#parts.failed(cause);
    this.#refuse(this.#stopped);
    void this.#close();
  }

  #refuse(why: ProtocolError): void {
    this.#queue.clear();
    for (const { done } of this.#waiting.splice(0)) done.reject(why);
  }

  async #acknowledge(): Promise<void> {
    const { busy, pace } = this.#parts;
    while (this.#acknowledged < this.#written) {
      const left = this.#written - this.#acknowledged;
      const step = busy() ? Math.min(left, STEP) : left;
      const pause = pace(step);
      if (pause > 0) await this.#sleep(pause);
      if (this.#stopped !== undefined) return;
      this.#acknowledged += step;
      this.onWritten(this.#acknowledged);
    }
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

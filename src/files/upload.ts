/**
 * An upload that is under way: takes chunks in order, hands them to the engine in blocks, and says how far it is.
 *
 * @module
 */

import type { BlobFile, BlobWriter, NewBlob } from "../engine/contract.ts";
import { ProtocolError } from "../protocol/mod.ts";
import type { FileLimits, UploadRequest } from "./contract.ts";
import { type BlockPool, BlockQueue } from "./blocks.ts";
import { blockSize, refuseChunk } from "./rules.ts";

/** Blocks that the engine has at the same time: while it writes one the next is there already. */
const AHEAD = 2;
/** Milliseconds that less than a block waits for more. */
const GATHER = 2;
/** Bytes acknowledged at once while uploads are slowed down, so that the sender does not send a whole window at once. */
const STEP = 65_536;

/** What an upload is made with. */
export interface UploadParts {
  readonly uploadId: string;
  readonly key: string;
  readonly request: UploadRequest;
  /** Opens it in the engine. */
  readonly open: () => Promise<BlobWriter>;
  readonly limits: () => FileLimits;
  /** Bytes that may be sent and not written yet. */
  readonly window: number;
  readonly pool: BlockPool;
  /** Whether uploads are slowed down now. */
  readonly busy: () => boolean;
  /** Milliseconds to wait after so many bytes were written. */
  readonly pace: (bytes: number) => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told why the engine could not write. */
  readonly failed: (error: unknown) => void;
}

/** A chunk that is not written yet. */
interface Waiting {
  /** Where it ends in the file: it is written once the file is written up to there. */
  readonly end: number;
  readonly done: PromiseWithResolvers<void>;
}

/** A block that the engine is writing. */
interface Writing {
  readonly length: number;
  readonly written: Promise<ArrayBuffer>;
}

function write(writer: BlobWriter, block: Uint8Array<ArrayBuffer>): Writing {
  const { length } = block;
  const written = writer.append(block);
  // Awaited later, or never when a block before it fails: without this that would be an unhandled rejection.
  written.catch(() => {});
  return { length, written };
}

/** An upload. Made by `FileStore.start`. */
export class Upload {
  readonly uploadId: string;
  readonly key: string;
  readonly request: UploadRequest;
  /** Told how far the file is written. Set by the handler that sends the acknowledgements. */
  onWritten: (offset: number) => void = () => {};
  /** When the client last did something with it, in milliseconds since the epoch. */
  activeAt: number;
  readonly #parts: UploadParts;
  #writer: BlobWriter | undefined;
  #received = 0;
  #written = 0;
  #acknowledged = 0;
  readonly #queue: BlockQueue;
  readonly #waiting: Waiting[] = [];
  /** Written, but their sender has not heard so: an end of the upload is told for these too. */
  readonly #unacknowledged: Waiting[] = [];
  #pump: Promise<void> | undefined;
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isLate = false;
  #stopped: ProtocolError | undefined;
  #wake: (() => void) | undefined;

  /** `known`: the engine has the content already. Otherwise `open` has to be called before the first chunk. */
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

  /** The engine has the content already: the client sends nothing. */
  readonly known: boolean;

  /** Bytes that may be sent and not written yet, as the client was told at the start. 0 when nothing is to be sent. */
  get window(): number {
    return this.known ? 0 : this.#parts.window;
  }

  /** Bytes that came. The next chunk begins here. */
  get offset(): number {
    return this.#received;
  }

  /** Whether something is being written. */
  get busy(): boolean {
    return this.#pump !== undefined;
  }

  /**
   * Opens it in the engine once `before` has resolved, and finds out how much is there. Rejects with what the engine says.
   * Does nothing when it was stopped meanwhile.
   */
  async open(before: Promise<void> | undefined): Promise<void> {
    const opening = this.#openAfter(before);
    this.#opening = opening.then(() => {}, () => {});
    const writer = await opening;
    this.#opening = undefined;
    if (writer === undefined) return;
    this.#received = this.#written = this.#acknowledged = writer.offset;
    this.#writer = writer;
    if (this.#stopped !== undefined) await this.#close();
    else if (this.#due) this.#start();
  }

  /**
   * Copies the next chunk. Resolves when it is acknowledged, or when the upload is cancelled. Throws ProtocolError: `file_gap`,
   * `file_overlap`, `file_beyond_end`, `file_window`, `message_too_large`, `unknown_upload` after the end of the upload.
   * Rejects with `not_available` when it cannot be written: the upload has ended then, and a new one goes on from what is
   * written. Rejects with `unknown_upload` when the upload was begun again elsewhere.
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
    // Needed even when a block is full: bytes beyond that block must not wait longer than this.
    this.#timer ??= setTimeout(this.#late, GATHER);
    if (this.#due) this.#start();
    return done.promise;
  }

  /** Waits until everything is written, and makes a file of it. Rejects like `BlobWriter.commit`. */
  async commit(file: NewBlob): Promise<BlobFile> {
    this.activeAt = this.#parts.now();
    if (this.#received !== this.request.size) throw new ProtocolError("file_incomplete");
    while (this.#pump !== undefined) await this.#pump;
    if (this.#stopped !== undefined) throw this.#stopped;
    return await this.#writer!.commit(file);
  }

  /**
   * Ends it: chunks that come later get `why`, and so do those that wait, unless the upload was `cancelled`. Resolves when
   * the engine has closed it. What was written stays.
   */
  async stop(why: ProtocolError, cancelled = false): Promise<void> {
    this.#stopped ??= why;
    clearTimeout(this.#timer);
    this.#wake?.();
    // The client has cancelled it, and need not hear that its chunks are refused.
    if (cancelled) { for (const { done } of this.#pending()) done.resolve(); }
    this.#refuse(this.#stopped);
    // The next one must open it after this one and all before it, or it would lose the upload to one of them.
    if (this.#opening !== undefined) await this.#opening;
    await this.#close();
    await this.#pump;
  }

  async #openAfter(before: Promise<void> | undefined): Promise<BlobWriter | undefined> {
    if (before !== undefined) await before;
    return this.#stopped === undefined ? await this.#parts.open() : undefined;
  }

  #close(): Promise<void> {
    this.#closing ??= this.#writer?.close();
    this.#writer = undefined;
    return this.#closing ?? Promise.resolve();
  }

  /** Whether to write now instead of waiting for more. */
  get #due(): boolean {
    return this.#queue.full || this.#isLate || this.#received === this.request.size;
  }

  readonly #late = (): void => {
    this.#timer = undefined;
    this.#isLate = true;
    this.#start();
  };

  #start(): void {
    if (this.#pump !== undefined || this.#writer === undefined) return;
    this.#pump = this.#run(this.#writer).finally(() => {
      this.#pump = undefined;
      if (this.#due && this.#waiting.length > 0) this.#start();
    });
  }

  async #run(writer: BlobWriter): Promise<void> {
    const writing: Writing[] = [];
    try {
      while (this.#due && this.#stopped === undefined) {
        const block = this.#queue.take();
        if (this.#queue.empty) this.#isLate = false;
        if (block !== undefined) writing.push(write(writer, block));
        else if (writing.length === 0) return;
        if (writing.length < AHEAD && this.#queue.full) continue;
        await this.#settle(writing.shift()!);
      }
      for (const each of writing) await this.#settle(each);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  async #settle({ length, written }: Writing): Promise<void> {
    this.#parts.pool.give(await written);
    this.#written += length;
    while (this.#waiting.length > 0 && this.#waiting[0]!.end <= this.#written) {
      this.#unacknowledged.push(this.#waiting.shift()!);
    }
    await this.#acknowledge();
  }

  /** Ends it because the engine does not take its bytes: the disk is full, or somebody else has the upload now. */
  #fail(cause: unknown): void {
    if (this.#stopped !== undefined) return;
    const isTaken = cause instanceof ProtocolError && cause.error === "unknown_upload";
    this.#stopped = isTaken
      ? cause
      : new ProtocolError("not_available", "the file cannot be written now", { cause });
    clearTimeout(this.#timer);
    if (!isTaken) this.#parts.failed(cause);
    this.#refuse(this.#stopped);
    void this.#close();
  }

  #refuse(why: ProtocolError): void {
    this.#queue.clear();
    for (const { done } of this.#pending()) done.reject(why);
  }

  /** Takes all chunks whose sender has heard nothing of them yet. */
  #pending(): Waiting[] {
    return [...this.#unacknowledged.splice(0), ...this.#waiting.splice(0)];
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
      while ((this.#unacknowledged[0]?.end ?? Infinity) <= this.#acknowledged) {
        this.#unacknowledged.shift()!.done.resolve();
      }
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

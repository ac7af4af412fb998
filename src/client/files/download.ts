/**
 * A file on its way from the service: asked for range by range, as its reader takes it, and going on after every
 * interruption where it was.
 *
 * @module
 */

import { type Message, uuidv7 } from "../../protocol/core.ts";
import type { FileDownloadReady, FileInfo } from "../../protocol/mod.ts";
import { delay } from "../../async/deadline.ts";
import type { Clock } from "../clock.ts";
import { quietDeferred } from "../../async/deferred.ts";
import { bytesOf } from "../documents/bytes.ts";
import { call } from "../emitter.ts";
import { SkeinError } from "../errors.ts";
import { FIRST_RANGE, nextRange } from "../policy/ranges.ts";
import { readPayload } from "../session/payloads.ts";
import type { TransportManager } from "../transport_manager.ts";
import { Sha256 } from "./sha256.ts";
import type { Semaphore } from "../../async/semaphore.ts";

/** Options of a download. */
export interface DownloadOptions {
  /** The first byte that is wanted. @default 0 */
  readonly offset?: number;
  /** How many bytes are wanted; fewer come when the file has no more. @default all that follow */
  readonly length?: number;
  /** Called as bytes come. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Cancels the download. */
  readonly signal?: AbortSignal;
}

/** How far a download is. */
export interface DownloadProgress {
  /** Bytes that have come. */
  readonly received: number;
  /** Bytes that will come; 0 as long as that is not known. */
  readonly size: number;
  readonly state: "receiving" | "done" | "failed";
}

/** Bytes that wait for the reader, beside the range that is on its way. */
const BUFFER = 1_048_576;
/** Interruptions in a row, without a byte more, before the download fails. */
const MAX_TRIES = 10;
/** Milliseconds before it goes on after one that was no change of connection. */
const RETRY = 1000;

/** A download. Made by `SkeinClient.download`; it begins at once. */
export class Download {
  /** What the service says of the file; rejects with SkeinError. */
  readonly info: Promise<FileInfo>;
  /**
   * The bytes, in order. No more is asked for than its reader takes and some megabytes. Errors with SkeinError; a whole
   * file whose hash is not as it should be with `file_hash_mismatch`, at its end.
   */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #manager: TransportManager;
  readonly #clock: Clock;
  readonly #slots: Semaphore;
  readonly #fileId: string;
  readonly #options: DownloadOptions;
  #hash: Sha256 | undefined;
  readonly #known = quietDeferred<FileInfo>();
  readonly #stop = new AbortController();
  readonly #begin: number;
  readonly #off: () => void;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #info: FileInfo | undefined;
  /** The next byte. */
  #at: number;
  /** Where it ends; more than the file has as long as its size is not known. */
  #end: number;
  #range = FIRST_RANGE;
  #asked: string | undefined;
  #state: DownloadProgress["state"] = "receiving";

  /** Throws SkeinError `bad_argument` when `offset` or `length` makes no sense. */
  constructor(
    manager: TransportManager,
    clock: Clock,
    slots: Semaphore,
    fileId: string,
    options: DownloadOptions = {},
  ) {
    const { offset = 0, length = Number.MAX_SAFE_INTEGER - offset, signal } = options;
    if (![offset, length, offset + length].every((each) => Number.isSafeInteger(each) && each >= 0)) {
      throw new SkeinError("bad_argument", "offset, length: whole numbers from 0");
    }
    this.#manager = manager;
    this.#clock = clock;
    this.#slots = slots;
    this.#fileId = fileId;
    this.#options = options;
    this.#begin = this.#at = offset;
    this.#end = offset + length;
    // A part has no hash of its own.
    if (offset === 0) this.#hash = new Sha256();
    this.info = this.#known.promise;
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#pull(),
      cancel: () => this.cancel(),
    }, { highWaterMark: BUFFER, size: ({ length }) => length });
    this.#off = manager.on("status", (status) => {
      if (status === "idle" || status === "closed") this.#failed(SkeinError.closed());
    });
    if (signal?.aborted) this.#cancelled();
    else signal?.addEventListener("abort", this.#cancelled);
  }

  /** How far it is. */
  get progress(): DownloadProgress {
    const size = this.#info === undefined ? 0 : this.#end - this.#begin;
    return { received: this.#at - this.#begin, size, state: this.#state };
  }

  /** All of it. Rejects with SkeinError. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await (await this.blob()).arrayBuffer());
  }

  /** All of it, with its media type. Rejects with SkeinError. */
  async blob(): Promise<Blob> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const reader = this.stream.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Blob(parts, { type: (await this.info).type });
      parts.push(value);
    }
  }

  /** Gives it up: its reader gets `closed`, unless everything has come already. */
  cancel(): void {
    this.#failed(new SkeinError("closed", "the download was cancelled"));
  }

  readonly #cancelled = (): void => this.cancel();

  /** Brings the next range; resolves when it has come, or when everything has ended. */
  async #pull(): Promise<void> {
    const { signal } = this.#stop;
    for (let tries = 0;;) {
      const before = this.#at;
      try {
        await this.#slots.acquire(signal);
        return await this.#ask(signal).finally(() => this.#slots.release());
      } catch (error) {
        tries = this.#at > before ? 1 : tries + 1;
        if (!(error instanceof SkeinError && error.temporary) || tries >= MAX_TRIES) {
          return this.#failed(error);
        }
        // The server has not ended what it said nothing of.
        if (error.code === 0) this.#leave();
        this.#range = nextRange(this.#range, Infinity);
        const wait = error.error === "connection_lost" ? 0 : error.retryAfter ?? RETRY;
        await delay(wait, { signal, timers: this.#clock }).catch(() => {});
      }
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    if (this.#manager.status === "closed") throw SkeinError.closed();
    const offset = this.#at;
    const id = this.#asked = uuidv7();
    let since = this.#clock.now();
    const take = (message: Message): boolean => {
      if (message.type !== "file_download_ready") return this.#take(message);
      since = this.#clock.now();
      this.#ready(readPayload("file_download_ready", message.payload));
      return false;
    };
    const payload = { fileId: this.#fileId, offset, length: Math.min(this.#range, this.#end - offset) };
    await this.#manager.follow({ id, type: "file_download", payload, take, signal });
    this.#asked = undefined;
    if (this.#at >= this.#end) return this.#finish();
    if (this.#at === offset) throw new SkeinError("file_incomplete", "it ends early");
    this.#range = nextRange(this.#range, this.#clock.now() - since);
  }

  #ready({ offset: _, length: __, ...info }: FileDownloadReady): void {
    const known = this.#info ??= info;
    if (info.sha256 !== known.sha256 || info.size !== known.size) {
      throw new SkeinError("file_hash_mismatch", "it is another file");
    }
    if (this.#end < info.size) this.#hash = undefined;
    this.#end = Math.max(this.#begin, Math.min(this.#end, info.size));
    this.#known.resolve(info);
  }

  #take({ type, payload }: Message): boolean {
    const data = bytesOf(payload.data);
    const fits = type === "file_data" && payload.offset === this.#at && this.#info !== undefined;
    if (!fits || data === undefined || data.length > this.#end - this.#at) {
      throw new SkeinError("bad_payload", `a ${type} that does not follow`);
    }
    if (data.length > 0) {
      this.#hash?.update(data);
      this.#at += data.length;
      this.#controller.enqueue(data);
      this.#tell();
    }
    return payload.last === true;
  }

  #finish(): void {
    const sha256 = this.#hash?.end();
    if (sha256 !== undefined && sha256 !== this.#info!.sha256) {
      return this.#failed(
        new SkeinError("file_hash_mismatch", "the bytes have another hash"),
      );
    }
    this.#over("done");
    this.#controller.close();
  }

  #failed(error: unknown): void {
    if (this.#state !== "receiving") return;
    this.#leave();
    this.#stop.abort(error);
    this.#known.reject(error);
    this.#controller.error(error);
    this.#over("failed");
  }

  #over(state: DownloadProgress["state"]): void {
    this.#state = state;
    this.#off();
    this.#options.signal?.removeEventListener("abort", this.#cancelled);
    this.#tell();
  }

  /** Tells the server that the range that is on its way is not wanted; it would end by itself, but later. */
  #leave(): void {
    const download = this.#asked;
    this.#asked = undefined;
    if (download === undefined) return;
    this.#manager.send("file_download_cancel", { download }).catch(() => {});
  }

  #tell(): void {
    const { onProgress } = this.#options;
    if (onProgress !== undefined) call(onProgress, this.progress);
  }
}

/**
 * A file on its way to the service: in pieces, acknowledged, going on after every interruption where the service has
 * got to.
 *
 * @module
 */

import { uuidv7 } from "../../protocol/core.ts";
import type { FileUploaded } from "../../protocol/mod.ts";
import { delay } from "../../async/deadline.ts";
import { type Deferred, deferred, quietDeferred } from "../../async/deferred.ts";
import { call } from "../emitter.ts";
import { SkeinError } from "../errors.ts";
import type { TransportManager } from "../transport_manager.ts";
import { UploadWindow } from "../policy/window.ts";
import { hashBlob } from "./hash.ts";

/** Options of an upload. */
export interface UploadOptions {
  /** What others see. @default the name of a `File`, else "file" */
  readonly name?: string;
  /** A media type. @default the type of the `Blob` */
  readonly type?: string;
  /** Called as the file is hashed, and as the service acknowledges. */
  readonly onProgress?: (progress: UploadProgress) => void;
  /** Cancels the upload. */
  readonly signal?: AbortSignal;
}

/** How far an upload is. */
export interface UploadProgress {
  /** Bytes the service has written. */
  readonly acknowledged: number;
  readonly size: number;
  /** Bytes that are hashed: nothing is sent before all of them are. */
  readonly hashed: number;
  readonly state: "hashing" | "sending" | "paused" | "done" | "failed";
}

/** Interruptions in a row, without a byte more at the service, before the upload fails. */
const MAX_TRIES = 10;
/** Milliseconds before it goes on after one that was no change of connection. */
const RETRY = 1000;
/** Errors after which it begins anew where the service has got to. */
const RESUMABLE: readonly string[] = [
  "connection_lost",
  "timeout",
  "unknown_upload",
  "file_gap",
  "file_overlap",
  "file_window",
  "file_incomplete",
  // The service takes smaller ones than when it was begun.
  "message_too_large",
];

/** An upload. Made by `Channel.upload`. */
export class Upload {
  /** Resolves when the file is kept and announced in the channel; rejects with SkeinError. */
  readonly done: Promise<FileUploaded>;
  readonly #manager: TransportManager;
  readonly #blob: Blob;
  readonly #payload: { channel: string; name: string; type: string; size: number; sha256: string };
  readonly #options: UploadOptions;
  readonly #off: (() => void)[] = [];
  #hashed = 0;
  #acked = 0;
  #state: UploadProgress["state"] = "hashing";
  #uploadId: string | undefined;
  /** Chunks that are not acknowledged, in order: the id of each message, and where it ends. */
  readonly #sent = new Map<string, number>();
  /** The id of the message that says that it is complete: however often that is said, it is one file, announced once. */
  readonly #completeId = uuidv7();
  #window: UploadWindow | undefined;
  #paused: Deferred<void> | undefined;
  /** Resolved when more may be sent, rejected when the attempt has to begin anew. */
  #news: Deferred<void> | undefined;
  #trouble: SkeinError | undefined;
  #cancelled: SkeinError | undefined;
  /** Rejected when it is given up, whatever it waits for then. */
  readonly #end = quietDeferred<never>();

  constructor(manager: TransportManager, channel: string, blob: Blob, options: UploadOptions) {
    this.#manager = manager;
    this.#blob = blob;
    this.#options = options;
    const { name = (blob as Partial<File>).name ?? "file", type = blob.type } = options;
    this.#payload = { channel, name, type, size: blob.size, sha256: "" };
    this.done = Promise.race([this.#run(), this.#end.promise]);
    // Whoever does not wait for it looks at `progress`.
    this.done.catch(() => {});
    const cancel = (): void => void this.cancel();
    if (options.signal?.aborted) cancel();
    else {
      options.signal?.addEventListener("abort", cancel, { once: true });
      this.#off.push(() => options.signal?.removeEventListener("abort", cancel));
    }
  }

  /** How far it is. */
  get progress(): UploadProgress {
    const state = this.#paused !== undefined && this.#state === "sending" ? "paused" : this.#state;
    return { acknowledged: this.#acked, size: this.#blob.size, hashed: this.#hashed, state };
  }

  /** Sends no more until `resume`. The service keeps what it has for a day, by default. */
  pause(): void {
    this.#paused ??= deferred<void>();
    this.#tell();
  }

  /** Goes on. */
  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
    this.#tell();
  }

  /** Gives it up: `done` rejects with `closed`, and the service throws away what it has. */
  async cancel(): Promise<void> {
    const uploadId = this.#state === "sending" ? this.#uploadId : undefined;
    this.#giveUp(new SkeinError("closed", "the upload was cancelled"));
    if (uploadId === undefined || !this.#manager.isConnected()) return;
    // What it has is thrown away in time anyway.
    await this.#manager.send("file_upload_cancel", { uploadId }).catch(() => {});
  }

  async #run(): Promise<FileUploaded> {
    try {
      this.#watch();
      this.#payload.sha256 = await hashBlob(this.#blob, (bytes) => {
        if (this.#cancelled !== undefined) throw this.#cancelled;
        this.#hashed = bytes;
        this.#tell();
      });
      if (this.#cancelled !== undefined) throw this.#cancelled;
      this.#state = "sending";
      for (let tries = 0, before = -1;;) {
        try {
          const uploaded = await this.#attempt();
          if (uploaded === "paused") continue;
          this.#acked = this.#blob.size;
          this.#over("done");
          return uploaded;
        } catch (error) {
          if (this.#cancelled !== undefined) throw this.#cancelled;
          if (!(error instanceof SkeinError) || !(error.temporary || RESUMABLE.includes(error.error))) {
            throw error;
          }
          tries = this.#acked > before ? 1 : tries + 1;
          before = this.#acked;
          if (tries >= MAX_TRIES) throw error;
          if (error.error === "connection_lost") continue;
          await delay(error.retryAfter ?? RETRY);
        }
      }
    } catch (cause) {
      this.#over("failed");
      throw cause instanceof SkeinError
        ? cause
        : new SkeinError("bad_argument", "the file cannot be read", { cause });
    }
  }

  async #attempt(): Promise<FileUploaded | "paused"> {
    await this.#paused?.promise;
    if (this.#cancelled !== undefined) throw this.#cancelled;
    // What is said of chunks of before tells nothing any more.
    this.#sent.clear();
    const ready = await this.#manager.send("file_upload_start", this.#payload);
    if (this.#cancelled !== undefined) throw this.#cancelled;
    const { uploadId, chunkSize } = ready;
    // Over a WebSocket a message of the user would wait behind all that is on its way.
    const window = this.#manager.getTransportType() === "websocket"
      ? new UploadWindow(chunkSize, ready.window)
      : undefined;
    this.#window = window;
    this.#uploadId = uploadId;
    this.#trouble = undefined;
    this.#acked = ready.offset;
    this.#tell();
    for (let sent = ready.offset;;) {
      if (this.#paused !== undefined) {
        await this.#paused.promise;
        // It begins anew: an upload that was silent for long has no id any more.
        return "paused";
      }
      if (sent >= this.#blob.size) break;
      while (sent - this.#acked + chunkSize > (window?.size ?? ready.window)) await this.#wait();
      if (this.#trouble !== undefined) throw this.#trouble;
      const data = new Uint8Array(await this.#blob.slice(sent, sent + chunkSize).arrayBuffer());
      if (this.#cancelled !== undefined) throw this.#cancelled;
      const id = uuidv7();
      this.#sent.set(id, sent + data.length);
      await this.#manager.send("file_chunk", { uploadId, offset: sent, data }, id);
      sent += data.length;
      window?.sent(sent, performance.now());
    }
    return await this.#complete(uploadId);
  }

  /** Its answer waits behind all that is on its way: as long as some of that arrives, it is only slow. */
  async #complete(uploadId: string): Promise<FileUploaded> {
    for (;;) {
      const before = this.#acked;
      try {
        return await this.#manager.send("file_upload_complete", { uploadId }, this.#completeId);
      } catch (error) {
        const isSlow = error instanceof SkeinError && error.error === "timeout" && this.#acked > before;
        if (!isSlow) throw error;
      }
    }
  }

  #wait(): Promise<void> {
    if (this.#trouble !== undefined) return Promise.reject(this.#trouble);
    return (this.#news ??= deferred<void>()).promise;
  }

  #watch(): void {
    const manager = this.#manager;
    this.#off.push(
      manager.on("message", ({ type, payload }) => {
        if (type !== "file_chunk_ack" || payload.uploadId !== this.#uploadId) return;
        const { offset } = payload;
        if (typeof offset !== "number" || offset <= this.#acked || offset > this.#blob.size) return;
        this.#acked = offset;
        for (const [id, end] of this.#sent) {
          if (end > offset) break;
          this.#sent.delete(id);
        }
        this.#window?.acknowledged(offset, performance.now());
        this.#news?.resolve();
        this.#news = undefined;
        this.#tell();
      }),
      // Another connection, of whatever kind: what was on its way may be lost.
      manager.on("connected", () => this.#begin(new SkeinError("connection_lost", "another connection"))),
      manager.on("status", (status) => {
        if (["idle", "unauthorized", "closed"].includes(status)) this.#giveUp(SkeinError.closed());
      }),
      // A chunk that was refused: those behind it do not fit any more.
      manager.on("error", (error) => void (this.#sent.has(error.re ?? "") && this.#begin(error))),
    );
  }

  #giveUp(error: SkeinError): void {
    if (this.#cancelled !== undefined || this.#state === "done" || this.#state === "failed") return;
    this.#cancelled = error;
    this.#paused?.resolve();
    this.#begin(error);
    this.#over("failed");
    this.#end.reject(error);
  }

  #over(state: "done" | "failed"): void {
    if (this.#state === "done" || this.#state === "failed") return;
    this.#state = state;
    for (const off of this.#off.splice(0)) off();
    this.#tell();
  }

  #begin(error: SkeinError): void {
    this.#trouble = error;
    this.#news?.reject(error);
    this.#news = undefined;
  }

  #tell(): void {
    const { onProgress } = this.#options;
    if (onProgress !== undefined) call(onProgress, this.progress);
  }
}

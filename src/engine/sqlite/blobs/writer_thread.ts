/**
 * Writes large files in a worker: hashing and writing 200 MB takes a core a fifth of a second, and on the main thread
 * nobody else's message would be served in that time.
 *
 * @module
 */

import { type Appender, type AppenderOptions, FileAppender } from "./file_appender.ts";
import type { Answer, Call, Request } from "./worker.ts";

/** Milliseconds without a file after which the worker is ended, because it takes some ten megabytes. */
const IDLE = 60_000;

/** Milliseconds in which a file must be closed. A worker that takes longer hangs in a disk that does not answer. */
const CLOSING = 10_000;

/** A worker that is started when the first large file comes. */
export class WriterThread {
  readonly #failed: (error: unknown) => void;
  readonly #start: () => Worker;
  readonly #patience: number;
  #worker: Worker | undefined;
  #broken = false;
  #closed = false;
  #used = false;
  #calls = 0;
  #opened = 0;
  #open = 0;
  #usedAt = 0;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();

  /**
   * `failed` is told when the worker breaks or hangs. A broken one is not started again: the main thread writes then.
   * `patience`: milliseconds in which a file must be closed.
   */
  constructor(failed: (error: unknown) => void, start: () => Worker = startWorker, patience = CLOSING) {
    this.#failed = failed;
    this.#start = start;
    this.#patience = patience;
  }

  /** Opens a file, or makes it. Rejects with what the file system says. */
  async open(file: Pick<AppenderOptions, "path" | "size">): Promise<Appender> {
    if (this.#broken) return await FileAppender.open(file);
    const number = ++this.#opened;
    this.#open++;
    this.#used = true;
    try {
      const there = await this.#call(number, { what: "open", ...file }) as number;
      return this.#writer(number, there);
    } catch (error) {
      this.#open--;
      if (!this.#broken) throw error;
      return await FileAppender.open(file);
    }
  }

  /** Ends the worker when it was idle for long. To be called about once a second; `now`: milliseconds. */
  sweep(now: number): void {
    // A file that was opened and closed between two calls counts too.
    if (this.#open > 0 || this.#used) this.#usedAt = now;
    else if (now - this.#usedAt >= IDLE) this.#end();
    this.#used = false;
  }

  /** Ends the worker for good. Its files have to be closed before. */
  close(): void {
    this.#closed = true;
    this.#end();
  }

  #writer(file: number, there: number): Appender {
    let closing: Promise<void> | undefined;
    return {
      there,
      append: async (bytes) =>
        await this.#call(file, { what: "append", bytes }, [bytes.buffer]) as ArrayBuffer,
      finish: async () => await this.#call(file, { what: "finish" }) as string,
      close: () => closing ??= this.#close(file),
    };
  }

  async #close(file: number): Promise<void> {
    const hangs = setTimeout(() => {
      this.#failed(new Error("the thread that writes files hangs, and is ended"));
      this.#end();
    }, this.#patience);
    try {
      await this.#call(file, { what: "close" });
    } catch {
      // The worker ended, and the system closed its files.
    } finally {
      clearTimeout(hangs);
      this.#open--;
    }
  }

  #call(file: number, request: Request, transfer: Transferable[] = []): Promise<unknown> {
    if (this.#broken || this.#closed) {
      return Promise.reject(new Error("the thread that writes files has ended"));
    }
    const call = ++this.#calls;
    const answer = Promise.withResolvers<unknown>();
    this.#pending.set(call, answer);
    try {
      this.#thread().postMessage({ call, file, ...request } satisfies Call, transfer);
    } catch (error) {
      this.#pending.delete(call);
      answer.reject(error);
    }
    return answer.promise;
  }

  #thread(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = this.#start();
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const answer = this.#pending.get(data.call);
      this.#pending.delete(data.call);
      if ("error" in data) {
        answer?.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
      } else answer?.resolve(data.value);
    };
    worker.onerror = (event) => {
      // An error of a worker that nobody handles ends the process.
      event.preventDefault();
      this.#broken = true;
      this.#end();
      this.#failed(new Error(`the thread that writes files ended: ${event.message}`));
    };
    return this.#worker = worker;
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of calls) reject(new Error("the thread that writes files has ended"));
  }
}

function startWorker(): Worker {
  return new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "files" });
}

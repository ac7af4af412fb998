/**
 * Large files are written by a thread of their own: hashing and writing 200 MB takes a core a fifth of a second, in
 * which nobody else's message would be served.
 *
 * @module
 */

import { PartialFile, type PartialWriter } from "./partial_file.ts";
import type { Answer, Call, Request } from "./worker.ts";

/** The file to be written. */
export interface WriterFile {
  readonly path: string;
  /** Bytes it is to have in the end. */
  readonly size: number;
}

/** Milliseconds after which a thread without files is ended: it takes some ten megabytes. */
const IDLE = 60_000;

/** Milliseconds a file has to be closed: a thread that takes longer hangs in a disk that does not answer. */
const CLOSING = 10_000;

/** A thread that is started when it is needed. */
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

  /** `failed` is told why there is no thread: then files are written by this one. `start` starts it. A file has `patience` ms to be closed. */
  constructor(failed: (error: unknown) => void, start: () => Worker = startWorker, patience = CLOSING) {
    this.#failed = failed;
    this.#start = start;
    this.#patience = patience;
  }

  /** Opens a file as `PartialFile.open` does. Rejects with what the file system says. */
  async open(file: WriterFile): Promise<PartialWriter> {
    if (this.#broken) return await PartialFile.open(file);
    const number = ++this.#opened;
    this.#open++;
    this.#used = true;
    try {
      const there = await this.#call(number, { what: "open", ...file }) as number;
      return this.#writer(number, there);
    } catch (error) {
      this.#open--;
      if (!this.#broken) throw error;
      return await PartialFile.open(file);
    }
  }

  /** Ends the thread when it had nothing to do for a while. `now` is in ms, of any clock that goes on. */
  sweep(now: number): void {
    // A file that came and went between two calls counts too.
    if (this.#open > 0 || this.#used) this.#usedAt = now;
    else if (now - this.#usedAt >= IDLE) this.#end();
    this.#used = false;
  }

  /** Ends the thread for good; its files are to be closed before. */
  close(): void {
    this.#closed = true;
    this.#end();
  }

  #writer(file: number, there: number): PartialWriter {
    let closing: Promise<void> | undefined;
    return {
      there,
      append: async (bytes) =>
        await this.#call(file, { what: "append", bytes }, [bytes.buffer]) as ArrayBuffer,
      prepare: async () => void await this.#call(file, { what: "prepare" }),
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
      // It ended, and its files with it.
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
      // Else it would end the process.
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

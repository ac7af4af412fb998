/**
 * Appends to the file of an upload, and hashes what it holds.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";

/** Bytes of an earlier writer that are hashed between two turns of the event loop. */
const REHASH = 262_144;

/** Appends to one file. Calls are carried out one after the other. */
export interface Appender {
  /** Bytes that the file had when it was opened. */
  readonly there: number;
  /**
   * Appends `bytes`. Their memory belongs to the appender until the promise resolves with it. Rejects with what the file
   * system says; the file is as before then, and nothing more can be appended.
   */
  append(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
  /** Makes the file durable and resolves with the SHA-256 of all of it, in hexadecimal. May be called again. */
  finish(): Promise<string>;
  /** Closes the file. Waits for the call under way; those behind it reject. May be called again. */
  close(): Promise<void>;
}

/** How a file is opened. */
export interface AppenderOptions {
  readonly path: string;
  /** Bytes of the complete file. What the file has beyond it is cut off. */
  readonly size: number;
  /** Writes with blocking calls. They are much cheaper, and right for a thread that only writes. @default false */
  readonly blocking?: boolean;
}

/** Appends on this thread. */
export class FileAppender implements Appender {
  readonly there: number;
  readonly #file: Deno.FsFile;
  readonly #blocking: boolean;
  readonly #hash: Hash = createHash("sha256");
  #hashed = 0;
  #size: number;
  #closing: Promise<void> | undefined;
  #broken = false;
  #digest: string | undefined;
  #running: Promise<unknown> = Promise.resolve();

  private constructor(file: Deno.FsFile, there: number, blocking: boolean) {
    this.#file = file;
    this.there = this.#size = there;
    this.#blocking = blocking;
  }

  /** Opens a file, or makes it. Rejects with what the file system says. */
  static async open({ path, size, blocking = false }: AppenderOptions): Promise<FileAppender> {
    const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    try {
      const found = (await file.stat()).size;
      const there = Math.min(found, size);
      if (found > there) await file.truncate(there);
      const appender = new FileAppender(file, there, blocking);
      // Begins now, so that the first bytes need not wait for all of it. When it fails, `append` or `finish` tries again.
      if (there > 0) appender.#run(() => appender.#rehash()).catch(() => {});
      return appender;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  append(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
    return this.#run(async () => {
      // The bytes before these were not written.
      if (this.#broken) throw new Error("the file could not be written before");
      await this.#rehash();
      try {
        // Without `blocking` the hash is calculated while another thread of the runtime writes.
        const writing = this.#blocking ? writeAllSync(this.#file, bytes) : writeAll(this.#file, bytes);
        this.#hash.update(bytes);
        await writing;
      } catch (error) {
        this.#broken = true;
        await this.#file.truncate(this.#size).catch(() => {});
        throw error;
      }
      this.#hashed = this.#size += bytes.length;
      return bytes.buffer;
    });
  }

  finish(): Promise<string> {
    return this.#run(async () => {
      await this.#rehash();
      await this.#file.sync();
      return this.#digest ??= this.#hash.digest("hex");
    });
  }

  close(): Promise<void> {
    return this.#closing ??= this.#running.then(() => this.#file.close());
  }

  #run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#running.then(() => {
      if (this.#closing !== undefined) throw new Error("the file is closed");
      return work();
    });
    this.#running = done.catch(() => {});
    return done;
  }

  async #rehash(): Promise<void> {
    if (this.#hashed === this.#size) return;
    const buffer = new Uint8Array(Math.min(REHASH, this.#size));
    await this.#file.seek(this.#hashed, Deno.SeekMode.Start);
    while (this.#hashed < this.#size) {
      if (this.#closing !== undefined) throw new Error("the file is closed");
      const got = await this.#file.read(
        buffer.subarray(0, Math.min(buffer.length, this.#size - this.#hashed)),
      );
      if (got === null) throw new Error("the file became shorter");
      this.#hash.update(buffer.subarray(0, got));
      this.#hashed += got;
    }
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

function writeAllSync(file: Deno.FsFile, bytes: Uint8Array): undefined {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

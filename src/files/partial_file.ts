/**
 * A file that is not whole yet: what comes is appended and hashed.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";

/** Bytes that were there already and are hashed between two turns of the event loop. */
const REHASH = 262_144;

/** Appends to one file: one call after the other, but for `close`, which ends them. */
export interface PartialWriter {
  /** Bytes of the file that were there when it was opened. */
  readonly there: number;
  /**
   * Appends `bytes`, whose memory is given away, and comes back when they are written and hashed. Rejects with what the
   * file system says; then the file is as before, and nothing more may be appended.
   */
  append(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
  /** Hashes what was there, so that `append` need not wait for it. */
  prepare(): Promise<void>;
  /**
   * Makes it durable; resolves with the SHA-256 of all of it, in hexadecimal. Nothing may be appended afterwards; it may
   * be asked again.
   */
  finish(): Promise<string>;
  /** Ends it, and the call that is under way, which may reject; resolves when the file is closed. */
  close(): Promise<void>;
}

/** How a file is opened. */
export interface PartialFileOptions {
  readonly path: string;
  /** What it is to be in the end, in bytes: what is more of it is cut off. */
  readonly size: number;
  /** Whether writing may hold up the thread: cheaper by far, for one that does nothing else. @default false */
  readonly blocking?: boolean;
}

/** A file that is appended to by this thread. */
export class PartialFile implements PartialWriter {
  readonly there: number;
  readonly #file: Deno.FsFile;
  readonly #blocking: boolean;
  readonly #hash: Hash = createHash("sha256");
  #hashed = 0;
  #size: number;
  #closed = false;
  #broken = false;
  #digest: string | undefined;
  #running: Promise<unknown> = Promise.resolve();

  private constructor(file: Deno.FsFile, there: number, blocking: boolean) {
    this.#file = file;
    this.there = this.#size = there;
    this.#blocking = blocking;
  }

  /** Opens a file or makes it. Rejects with what the file system says. */
  static async open({ path, size, blocking = false }: PartialFileOptions): Promise<PartialFile> {
    const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    try {
      const found = (await file.stat()).size;
      const there = Math.min(found, size);
      if (found > there) await file.truncate(there);
      return new PartialFile(file, there, blocking);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  append(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
    return this.#run(async () => {
      // What was to come before it is not there.
      if (this.#broken) throw new Error("the file could not be written before");
      await this.#rehash();
      try {
        // Hashed while it is written, where that is done elsewhere.
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

  prepare(): Promise<void> {
    return this.#run(() => this.#rehash());
  }

  finish(): Promise<string> {
    return this.#run(async () => {
      await this.#rehash();
      await this.#file.sync();
      return this.#digest ??= this.#hash.digest("hex");
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#running;
    this.#file.close();
  }

  #run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#running.then(() => {
      if (this.#closed) throw new Error("the file is closed");
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
      if (this.#closed) throw new Error("the file is closed");
      const got = await this.#file.read(
        buffer.subarray(0, Math.min(buffer.length, this.#size - this.#hashed)),
      );
      if (got === null) throw new Error("a partial file became shorter");
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

/**
 * The directory of a store: where the bytes of files are, and how they are moved and removed.
 *
 *     blobs/ab/<sha256>   contents of complete files, by their hash
 *     partial/<key>       bytes of uploads that are not complete
 *     trash/<id>          what is being removed
 *     files.sqlite        the catalogue
 *
 * @module
 */

import { ProtocolError, uuidv7 } from "../../../protocol/mod.ts";
import type { BlobReader } from "../../contract.ts";

/** Nobody else on the machine may read files. */
const PRIVATE = { recursive: true, mode: 0o700 } as const;
const HASH = /^[0-9a-f]{64}$/;

/** The directory of a store. */
export class Disk {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get catalog(): string {
    return `${this.#directory}/files.sqlite`;
  }

  partial(key: string): string {
    return `${this.#directory}/partial/${key}`;
  }

  blob(sha256: string): string {
    return `${this.#blobs(sha256)}/${sha256}`;
  }

  /** Whether anything was ever kept here. */
  async exists(): Promise<boolean> {
    return await Deno.stat(this.catalog).then(() => true, () => false);
  }

  async prepare(): Promise<void> {
    for (const name of ["blobs", "partial", "trash"]) await Deno.mkdir(`${this.#directory}/${name}`, PRIVATE);
  }

  /** Whether a content of that size is there. */
  async holds(sha256: string, size: number): Promise<boolean> {
    return await Deno.stat(this.blob(sha256)).then((info) => info.size === size, () => false);
  }

  /**
   * Moves the bytes of an upload to the contents; one with the same hash is replaced. Synchronous, so that it can be a part
   * of a transaction of the catalogue.
   */
  place(key: string, sha256: string): void {
    Deno.mkdirSync(this.#blobs(sha256), PRIVATE);
    Deno.renameSync(this.partial(key), this.blob(sha256));
  }

  /** Undoes `place`. */
  displace(key: string, sha256: string): void {
    Deno.renameSync(this.blob(sha256), this.partial(key));
  }

  /**
   * Undoes a `place` whose transaction was never committed, because the process was killed: without this the bytes would be
   * removed as a content of no file, and the upload would begin at 0.
   */
  recover(key: string, sha256: string, size: number): void {
    if (sizeOf(this.partial(key)) === undefined && sizeOf(this.blob(sha256)) === size) {
      this.displace(key, sha256);
    }
  }

  /** Makes the place of a content durable: a rename is, only once its directory is flushed. */
  async settle(sha256: string): Promise<void> {
    const directory = await Deno.open(this.#blobs(sha256));
    try {
      await directory.sync();
    } finally {
      directory.close();
    }
  }

  /** Opens a content. Rejects with ProtocolError `unknown_file`. */
  async open(sha256: string): Promise<BlobReader> {
    const file = await Deno.open(this.blob(sha256)).catch((error) => {
      throw error instanceof Deno.errors.NotFound ? new ProtocolError("unknown_file") : error;
    });
    let position = 0;
    return {
      async read(buffer, at) {
        if (at !== position) await file.seek(at, Deno.SeekMode.Start);
        // Unknown until the read has ended: it may fail.
        position = -1;
        const got = await file.read(buffer) ?? 0;
        position = at + got;
        return got;
      },
      close: () => file.close(),
    };
  }

  /** Removes a content. Its name is free when the call returns, its room when the promise resolves. */
  removeBlob(sha256: string): Promise<void> {
    return this.#remove(this.blob(sha256));
  }

  /** Removes the bytes of an upload in the same way. */
  removePartial(key: string): Promise<void> {
    return this.#remove(this.partial(key));
  }

  /** Removes what a process that was killed left behind: the trash, and whatever `wanted` says is not in the catalogue. */
  async tidy(wanted: { partial(key: string): boolean; blob(sha256: string): boolean }): Promise<void> {
    for await (const { name } of Deno.readDir(`${this.#directory}/trash`)) {
      await Deno.remove(`${this.#directory}/trash/${name}`);
    }
    for await (const { name } of Deno.readDir(`${this.#directory}/partial`)) {
      if (!wanted.partial(name)) await this.removePartial(name);
    }
    for await (const { name: folder } of Deno.readDir(`${this.#directory}/blobs`)) {
      for await (const { name } of Deno.readDir(`${this.#directory}/blobs/${folder}`)) {
        if (HASH.test(name) && !wanted.blob(name)) await this.removeBlob(name);
      }
    }
  }

  #blobs(sha256: string): string {
    return `${this.#directory}/blobs/${sha256.slice(0, 2)}`;
  }

  // Unlinking a large file takes a while. The rename frees its name at once for a new file.
  async #remove(path: string): Promise<void> {
    const trash = `${this.#directory}/trash/${uuidv7()}`;
    try {
      Deno.renameSync(path, trash);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    await Deno.remove(trash);
  }
}

/** The size of a file; undefined: there is none. */
function sizeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

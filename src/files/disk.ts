/**
 * Where files are in the data directory, and how they come and go there.
 *
 *     blobs/ab/<sha256>   whole files, by their hash
 *     partial/<key>       what has come of files that are not whole
 *     trash/<id>          what is being removed
 *     files.sqlite        the catalog
 *
 * @module
 */

import { createHash } from "node:crypto";
import { uuidv7 } from "../protocol/mod.ts";
import type { FileReader, UploadRequest } from "./contract.ts";

/** Only the service reads them. */
const PRIVATE = { recursive: true, mode: 0o700 } as const;
const HASH = /^[0-9a-f]{64}$/;

/** Which upload a request goes on with: the same user, channel, size and hash. Also a file name. */
export function keyOf({ userId, channel, size, sha256 }: UploadRequest): string {
  // None of them holds a space.
  return createHash("sha256").update(`${userId} ${channel} ${size} ${sha256}`).digest("hex");
}

/** The directory of a store. */
export class Disk {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The catalog's file. */
  get catalog(): string {
    return `${this.#directory}/files.sqlite`;
  }

  /** Where the bytes of an upload are. */
  partial(key: string): string {
    return `${this.#directory}/partial/${key}`;
  }

  /** Where a whole file is. */
  blob(sha256: string): string {
    return `${this.#blobs(sha256)}/${sha256}`;
  }

  /** Whether there has ever been a store here. */
  async exists(): Promise<boolean> {
    return await Deno.stat(this.catalog).then(() => true, () => false);
  }

  /** Makes the directories. */
  async prepare(): Promise<void> {
    for (const name of ["blobs", "partial", "trash"]) await Deno.mkdir(`${this.#directory}/${name}`, PRIVATE);
  }

  /** Whether a whole file of that size is there. */
  async holds(sha256: string, size: number): Promise<boolean> {
    return await Deno.stat(this.blob(sha256)).then((info) => info.size === size, () => false);
  }

  /** Puts a finished upload among the whole files, in place of one with the same bytes. Synchronous: one moment. */
  place(key: string, sha256: string): void {
    Deno.mkdirSync(this.#blobs(sha256), PRIVATE);
    Deno.renameSync(this.partial(key), this.blob(sha256));
  }

  /** Takes `place` back. */
  displace(key: string, sha256: string): void {
    Deno.renameSync(this.blob(sha256), this.partial(key));
  }

  /** Makes the name of a whole file durable. */
  async settle(sha256: string): Promise<void> {
    const directory = await Deno.open(this.#blobs(sha256));
    try {
      await directory.sync();
    } finally {
      directory.close();
    }
  }

  /** Opens a whole file. Rejects with Deno.errors.NotFound. */
  async open(sha256: string): Promise<FileReader> {
    const file = await Deno.open(this.blob(sha256));
    let position = 0;
    return {
      async read(buffer, at) {
        if (at !== position) await file.seek(at, Deno.SeekMode.Start);
        // Until the read has ended nobody knows where the file stands.
        position = -1;
        const got = await file.read(buffer) ?? 0;
        position = at + got;
        return got;
      },
      close: () => file.close(),
    };
  }

  /** Removes a whole file: its name is gone at once, its bytes a little later. */
  removeBlob(sha256: string): Promise<void> {
    return this.#remove(this.blob(sha256));
  }

  /** Removes what has come of a file, likewise. */
  removePartial(key: string): Promise<void> {
    return this.#remove(this.partial(key));
  }

  /** Removes what an earlier process left: half-removed files, and bytes that `wanted` says nobody knows. */
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

  // Unlinking a large file takes a while: first it gets another name, at once, so that a new one may have its own.
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

/**
 * Writes an upload into memory, for as long as nobody else has opened or discarded the upload.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { ProtocolError } from "../../protocol/mod.ts";
import type { BlobFile, BlobUpload, BlobWriter, NewBlob } from "../contract.ts";

/** An upload that is not complete. */
export interface Partial {
  upload: BlobUpload;
  /** Bytes that are there. */
  written: number;
  /** Milliseconds since the epoch. */
  updatedAt: number;
  /** All of its room, taken with the first bytes: one piece of memory, however small the parts are that come. */
  bytes: Uint8Array | undefined;
  hash: Hash | undefined;
  /** Who may write it. */
  writer: MemoryWriter | undefined;
}

/** The store that an upload is in. */
interface PartialStore {
  has(partial: Partial): boolean;
  touch(partial: Partial): void;
  discard(key: string): void;
  commit(partial: Partial, file: NewBlob): BlobFile;
}

/** A writer of an upload. */
export class MemoryWriter implements BlobWriter {
  readonly offset: number;
  readonly #store: PartialStore;
  readonly #partial: Partial;

  constructor(store: PartialStore, partial: Partial) {
    this.offset = partial.written;
    this.#store = store;
    this.#partial = partial;
  }

  // deno-lint-ignore require-await -- an error rejects
  async append(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
    this.#check();
    const partial = this.#partial;
    const { size } = partial.upload;
    if (partial.written + bytes.length > size) throw new ProtocolError("file_beyond_end");
    partial.bytes ??= new Uint8Array(size);
    partial.bytes.set(bytes, partial.written);
    (partial.hash ??= createHash("sha256")).update(bytes);
    partial.written += bytes.length;
    this.#store.touch(partial);
    return bytes.buffer;
  }

  async commit(file: NewBlob): Promise<BlobFile> {
    this.#check();
    const partial = this.#partial;
    const { size, sha256, key } = partial.upload;
    if (partial.written !== size) throw new ProtocolError("file_incomplete");
    const hash = (partial.hash ?? createHash("sha256")).copy().digest("hex");
    if (hash !== sha256) {
      this.#store.discard(key);
      throw new ProtocolError("file_hash_mismatch");
    }
    const kept = this.#store.commit(partial, file);
    await this.close();
    return kept;
  }

  close(): Promise<void> {
    if (this.#partial.writer === this) this.#partial.writer = undefined;
    return Promise.resolve();
  }

  #check(): void {
    const { writer } = this.#partial;
    if (writer !== this || !this.#store.has(this.#partial)) throw new ProtocolError("unknown_upload");
  }
}

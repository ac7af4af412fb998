/**
 * Chunks that wait to be written, put together in blocks: a write costs a turn to another thread and back. The memory of
 * blocks is used again, because new memory costs more than the copy.
 *
 * @module
 */

/** Bytes of unused blocks that are kept. */
const KEPT = 8 * 1024 ** 2;

/** Unused blocks, by size. */
export class BlockPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  #bytes = 0;

  /** Memory of `size` bytes, with any content. */
  take(size: number): ArrayBuffer {
    const memory = this.#free.get(size)?.pop();
    if (memory === undefined) return new ArrayBuffer(size);
    this.#bytes -= size;
    return memory;
  }

  /** Gives memory back. The caller must not use it any more. */
  give(memory: ArrayBuffer): void {
    const size = memory.byteLength;
    if (this.#bytes + size > KEPT) {
      // Blocks of a size that is not used any more would fill the pool for ever.
      this.#free.clear();
      this.#bytes = 0;
    }
    let free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, free = []);
    free.push(memory);
    this.#bytes += size;
  }
}

/** A queue of bytes, in blocks of one size. */
export class BlockQueue {
  readonly #pool: BlockPool;
  readonly #size: number;
  readonly #full: ArrayBuffer[] = [];
  #last: Uint8Array | undefined;
  #filled = 0;

  /** The size of blocks is the next power of two from `size` on: with few sizes the pool has a block more often. */
  constructor(pool: BlockPool, size: number) {
    this.#pool = pool;
    this.#size = 2 ** Math.ceil(Math.log2(size));
  }

  /** Whether a full block waits. */
  get full(): boolean {
    return this.#full.length > 0;
  }

  /** Whether nothing waits. */
  get empty(): boolean {
    return this.#last === undefined && !this.full;
  }

  /** Copies `data`. */
  push(data: Uint8Array): void {
    for (let at = 0; at < data.length;) {
      const block = this.#last ??= new Uint8Array(this.#pool.take(this.#size));
      const count = Math.min(data.length - at, this.#size - this.#filled);
      block.set(count === data.length ? data : data.subarray(at, at + count), this.#filled);
      at += count;
      this.#filled += count;
      if (this.#filled < this.#size) continue;
      this.#full.push(block.buffer as ArrayBuffer);
      this.#last = undefined;
      this.#filled = 0;
    }
  }

  /** The next block, full or not; undefined when nothing waits. The caller gives its memory to the pool. */
  take(): Uint8Array<ArrayBuffer> | undefined {
    const full = this.#full.shift();
    if (full !== undefined) return new Uint8Array(full);
    const last = this.#last;
    if (last === undefined) return undefined;
    const block = new Uint8Array(last.buffer as ArrayBuffer, 0, this.#filled);
    this.#last = undefined;
    this.#filled = 0;
    return block;
  }

  /** Drops everything. */
  clear(): void {
    for (let block = this.take(); block !== undefined; block = this.take()) this.#pool.give(block.buffer);
  }
}

/**
 * What came of a file and waits to be written: chunks are put together in blocks of memory that is used again and
 * again, because a write costs a turn to another thread and back, and new memory costs more than the copy.
 *
 * @module
 */

/** Bytes that all the blocks kept for later may hold. */
const KEPT = 8 * 1024 ** 2;

/** Memory of blocks, used again. */
export class BlockPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  #bytes = 0;

  /** Memory of `size` bytes; what is in it is of no use. */
  take(size: number): ArrayBuffer {
    const memory = this.#free.get(size)?.pop();
    if (memory === undefined) return new ArrayBuffer(size);
    this.#bytes -= size;
    return memory;
  }

  /** Gives memory back; nobody may use it any more. */
  give(memory: ArrayBuffer): void {
    const size = memory.byteLength;
    if (this.#bytes + size > KEPT) {
      // Sizes that nobody asks for any more are not to stand in the way of those that are.
      this.#free.clear();
      this.#bytes = 0;
    }
    let free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, free = []);
    free.push(memory);
    this.#bytes += size;
  }
}

/** Bytes that wait, in order, in blocks of one size. */
export class BlockQueue {
  readonly #pool: BlockPool;
  readonly #size: number;
  readonly #full: ArrayBuffer[] = [];
  #last: Uint8Array | undefined;
  #filled = 0;

  /** Blocks of `size` bytes from `pool`, or of the next power of two: few sizes are found again. */
  constructor(pool: BlockPool, size: number) {
    this.#pool = pool;
    this.#size = 2 ** Math.ceil(Math.log2(size));
  }

  /** Whether a whole block waits. */
  get full(): boolean {
    return this.#full.length > 0;
  }

  /** Whether nothing waits. */
  get empty(): boolean {
    return this.#last === undefined && !this.full;
  }

  /** Takes a copy of `data`. */
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

  /** The next block, or what there is of it; undefined when nothing waits. Its memory is to be given to the pool. */
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

  /** Throws away what waits. */
  clear(): void {
    for (let block = this.take(); block !== undefined; block = this.take()) this.#pool.give(block.buffer);
  }
}

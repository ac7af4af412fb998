/**
 * Memory in which a mask is applied sixteen bytes at a time. JavaScript has no instruction for that; WebAssembly has one,
 * but for its own memory alone.
 *
 * @module
 */

const PAGE = 65_536;

/** Memory, and what XORs it with a word of four bytes. */
export interface XorMemory {
  readonly buffer: ArrayBufferLike;
  /** `from` to `to`, a multiple of sixteen bytes and not empty. Undefined: this processor or runtime cannot do it. */
  readonly xor: ((from: number, to: number, word: number) => void) | undefined;
}

/** Memory of `pages` (less than 64) of 64 KB. The system gives it when it is written to. */
export function xorMemory(pages: number): XorMemory {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleOf(pages)));
    const { m, f } = exports as { m: WebAssembly.Memory; f: NonNullable<XorMemory["xor"]> };
    return { buffer: m.buffer, xor: f };
  } catch {
    return { buffer: new ArrayBuffer(pages * PAGE), xor: undefined };
  }
}

/**
 * ```wat
 * (memory (export "m") pages)
 * (func (export "f") (param $from i32) (param $to i32) (param $word i32) (local $mask v128)
 *   (local.set $mask (i32x4.splat (local.get $word)))
 *   (loop
 *     (v128.store (local.get $from) (v128.xor (v128.load (local.get $from)) (local.get $mask)))
 *     (local.tee $from (i32.add (local.get $from) (i32.const 16)))
 *     (br_if 0 (i32.lt_u (local.get $to)))))
 * ```
 */
function moduleOf(pages: number): Uint8Array<ArrayBuffer> {
  const body = [
    ...[0x01, 0x01, 0x7b], // a local v128
    ...[0x20, 2, 0xfd, 0x11, 0x21, 3], // i32x4.splat
    ...[0x03, 0x40], // loop
    ...[0x20, 0, 0x20, 0, 0xfd, 0x00, 0, 0, 0x20, 3, 0xfd, 0x51, 0xfd, 0x0b, 0, 0], // load, xor, store
    ...[0x20, 0, 0x41, 16, 0x6a, 0x22, 0, 0x20, 1, 0x49, 0x0d, 0], // add 16, again while below $to
    ...[0x0b, 0x0b],
  ];
  return Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[0x01, 7, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0], // a type (i32, i32, i32) -> ()
    ...[0x03, 2, 1, 0], // a function of it
    ...[0x05, 3, 1, 0, pages], // a memory
    ...[0x07, 9, 2, 1, 0x6d, 0x02, 0, 1, 0x66, 0x00, 0], // their names
    ...[0x0a, body.length + 2, 1, body.length, ...body],
  );
}

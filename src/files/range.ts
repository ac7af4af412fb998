/**
 * `Range` and conditions of a request for a file (RFC 9110 §13 and §14). Pure.
 *
 * @module
 */

/** A part of a file. `unsatisfiable`: the file has no such part. Undefined: the whole file. */
export type ByteRange = { readonly start: number; readonly length: number } | "unsatisfiable" | undefined;

/**
 * The part of `size` bytes that a `Range` field asks for. Several ranges, other units and malformed fields mean the whole
 * file, as RFC 9110 §14.2 allows.
 */
export function parseRange(field: string | null, size: number): ByteRange {
  const [, first, last] = /^bytes=[ \t]*(\d{0,16})-(\d{0,16})[ \t]*$/i.exec(field ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, length };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  if (start >= size) return "unsatisfiable";
  return { start, length: (last === "" ? size : Math.min(Number(last) + 1, size)) - start };
}

/** Whether `If-None-Match` names `etag` (weak comparison). */
export function isKnown(field: string | null, etag: string): boolean {
  if (field === null) return false;
  if (field.trim() === "*") return true;
  return field.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}

/**
 * Whether `Range` is to be obeyed: when there is no `If-Range`, or when it is `etag` (strong comparison). An `If-Range`
 * with a date never matches.
 */
export function rangeCounts(ifRange: string | null, etag: string): boolean {
  return ifRange === null || ifRange.trim() === etag;
}

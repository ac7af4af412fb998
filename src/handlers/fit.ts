/**
 * Answers that must fit a message.
 *
 * @module
 */

/** Bytes kept for the envelope and the fields around a list. */
const AROUND = 1024;

/**
 * As many of the first `entries` as fit into a message of `room` bytes as JSON, at least one: a single message may
 * be a little larger in an answer than it was when it was sent.
 */
export function fitting<T>(entries: readonly T[], room: number): T[] {
  let left = room - AROUND;
  let count = 0;
  for (const entry of entries) {
    left -= utf8Length(JSON.stringify(entry)) + 1;
    if (left < 0 && count > 0) break;
    count++;
  }
  return entries.slice(0, count);
}

/** How many bytes a text takes in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // Each half of a surrogate pair counts two of its four bytes.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}

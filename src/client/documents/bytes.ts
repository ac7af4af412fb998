/**
 * Bytes as they stand in JSON messages.
 *
 * @module
 */

/** Characters put together at once: `String.fromCharCode` takes its arguments from the stack. */
const CHUNK = 8192;

/** Bytes as base64. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(text);
}

/** Bytes of a field: base64 text, or bytes already. Undefined when it is neither. */
export function bytesOf(field: unknown): Uint8Array | undefined {
  if (field instanceof Uint8Array) return field;
  if (typeof field !== "string") return undefined;
  try {
    const text = atob(field);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  } catch {
    return undefined;
  }
}

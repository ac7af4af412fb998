/**
 * Bytes as they stand in JSON messages.
 *
 * @module
 */

/** Characters put together at once: `String.fromCharCode` takes its arguments from the stack. */
const CHUNK = 8192;

/** Bytes as base64. */
export function toBase64(bytes: Uint8Array): string {
  // Much faster, in browsers since 2025.
  const { toBase64 } = bytes as Partial<Pick<Uint8Array, "toBase64">>;
  if (toBase64 !== undefined) return toBase64.call(bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(text);
}

/** Bytes of a field: base64 text, or bytes already. Undefined when it is neither. */
export function bytesOf(field: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (field instanceof Uint8Array) return field as Uint8Array<ArrayBuffer>;
  if (typeof field !== "string") return undefined;
  try {
    // Much faster, in browsers since 2025.
    const { fromBase64 } = Uint8Array as Partial<Pick<typeof Uint8Array, "fromBase64">>;
    if (fromBase64 !== undefined) return fromBase64.call(Uint8Array, field);
    const text = atob(field);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  } catch {
    return undefined;
  }
}

/** Makes bytes of the `data` of a message that says it has them. */
export function readBytes(fields: { data?: unknown; bytes?: unknown }): void {
  if (fields.bytes === true) fields.data = bytesOf(fields.data) ?? fields.data;
}

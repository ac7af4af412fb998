/**
 * UTF-8 that must be valid.
 *
 * @module
 */

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes `bytes`; `undefined` when they are not UTF-8. A fatal decoder is four times slower than one that writes U+FFFD
 * for what it cannot read, so it is asked only when there is a U+FFFD.
 */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const text = decoder.decode(bytes);
  if (!text.includes("\ufffd")) return text;
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

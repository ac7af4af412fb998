/**
 * Bytes as base64url without padding (RFC 4648 §5).
 *
 * @module
 */

/** Writes base64url. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Reads base64url. Throws SyntaxError when it is none. */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(text, { alphabet: "base64url" });
}

/** `length` random bytes as base64url. */
export function randomText(length: number): string {
  return encodeBase64Url(crypto.getRandomValues(new Uint8Array(length)));
}

/**
 * Files as they travel to clients that take gzip (RFC 9110 §8.4, §12.5.3).
 *
 * @module
 */

import { gunzipSync, gzipSync } from "node:zlib";

/** Bytes compressed as small as gzip makes them: once for a file, so the time does not count. */
export function gzipped(bytes: Uint8Array): Uint8Array {
  return gzipSync(bytes, { level: 9 });
}

/** What `gzipped` was given. */
export function unzipped(bytes: Uint8Array): Uint8Array {
  return gunzipSync(bytes);
}

/** Whether a client with this `Accept-Encoding` takes gzip. */
export function acceptsGzip(header: string | null): boolean {
  let any = false;
  for (const part of (header ?? "").toLowerCase().split(",")) {
    const [coding, ...parameters] = part.split(";").map((each) => each.trim());
    const isRefused = parameters.some((each) => /^q=0(\.0*)?$/.test(each));
    // What is named counts, wherever `*` stands.
    if (coding === "gzip") return !isRefused;
    if (coding === "*") any = !isRefused;
  }
  return any;
}

/**
 * What stands in `skein.js` for the SDK's and the library's `native.ts`: pages dial with the browser's own WebTransport
 * and do not carry another.
 *
 * @module
 */

import { SkeinError } from "../errors.ts";

/** Dials nothing. */
export class QuicEndpoint {
  /** Throws SkeinError `no_transport`. */
  constructor() {
    throw new SkeinError("no_transport", "raw QUIC needs Deno and the SDK as a package");
  }
}

/** Dials nothing. Throws SkeinError `no_transport`. */
export function dialSession(): never {
  throw new SkeinError("no_transport", "WebTransport in Deno needs the SDK as a package");
}

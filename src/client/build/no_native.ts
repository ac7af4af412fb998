/**
 * What stands in `skein.js` for `native.ts`: pages have no raw QUIC and do not carry it.
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

/**
 * What stands in `skein.js` for the SDK's and the library's `native.ts`: pages dial with the browser's own WebTransport
 * and do not carry another.
 *
 * @module
 */

/** Dials nothing. */
export class QuicEndpoint {
  /** Always throws. */
  constructor() {
    throw new Error("raw QUIC needs the SDK as a package");
  }
}

/** Dials nothing: always throws. */
export function dialSession(): never {
  throw new Error("WebTransport needs the SDK as a package");
}

/**
 * The WebTransport client: QUIC for browsers and for Deno.
 *
 * @module
 */

import type { Connection } from "../../quic/types.ts";
import { dialSession } from "../../quic/client.ts";
import { LanesTransport } from "./lanes.ts";

/** How a QUIC transport is dialled. */
export interface QuicDialOptions {
  /** SHA-256 hashes of certificates to accept instead of the certificate authorities' word. */
  certificateHashes?: readonly Uint8Array<ArrayBuffer>[];
  /** Give up after this many milliseconds. @default 5000 */
  timeout?: number;
}

/** QUIC by WebTransport. */
export class QuicTransport extends LanesTransport {
  readonly kind = "webtransport";
  readonly #url: URL;
  readonly #options: QuicDialOptions;

  /** Dials `url` (`https:`). */
  constructor(url: string | URL, options: QuicDialOptions = {}) {
    super();
    this.#url = new URL(url);
    this.#options = options;
  }

  protected dial(signal: AbortSignal | undefined): Promise<Connection> {
    const { certificateHashes, timeout = 5000 } = this.#options;
    return dialSession(this.#url, {
      timeout,
      ...(signal === undefined ? {} : { signal }),
      ...(certificateHashes === undefined || certificateHashes.length === 0
        ? {}
        : { serverCertificateHashes: certificateHashes }),
    });
  }
}

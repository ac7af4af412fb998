/**
 * What Deno alone has: raw QUIC with 0-RTT, and files. The one file of the SDK that names `Deno`; loaded when a
 * `quic:` URL is dialled, or imported by a program that keeps its outbox in a file.
 *
 * @module
 */

import { delay } from "../async/deadline.ts";
import { dialQuic, NativeEndpoint } from "../quic/native.ts";
import type { ClientEndpoint } from "../quic/client_types.ts";
import type { Connection } from "../quic/types.ts";
import { fileOutbox, type LineFile } from "./outbox/file.ts";
import { LanesTransport } from "./transport/lanes.ts";
import type { QuicDialOptions } from "./transport/quic.ts";

export { LanesTransport } from "./transport/lanes.ts";
export { fileOutbox };
export type { LineFile, QuicDialOptions };

/** Options of raw QUIC. */
export interface NativeDialOptions extends QuicDialOptions {
  /** Certificate authorities in PEM. */
  caCerts?: readonly string[];
  /** Send with the first packet when a ticket of an earlier connection is there. @default true */
  zeroRtt?: boolean;
  /** @default "skein/1" */
  alpn?: string;
  /** Milliseconds without a packet after which the connection is dead. @default 15000 */
  maxIdleTimeout?: number;
}

/** The UDP endpoint all connections of one client share: tickets for 0-RTT live in it. */
export class QuicEndpoint {
  #endpoint: NativeEndpoint | undefined;

  /** The endpoint, bound at first use. */
  get(): ClientEndpoint {
    return this.#endpoint ??= new NativeEndpoint();
  }

  /** Ends it and every connection through it. */
  close(): void {
    this.#endpoint?.close();
    this.#endpoint = undefined;
  }
}

/** QUIC without HTTP/3, on Deno's native QUIC. */
export class NativeQuicTransport extends LanesTransport {
  readonly kind = "quic";
  readonly #url: URL;
  readonly #options: NativeDialOptions;
  readonly #endpoint: QuicEndpoint;
  readonly #ownEndpoint: boolean;
  /** Resolves when the socket of its own is closed. */
  #gone: Promise<void> | undefined;

  /** Dials `url` (`quic://host:port`) through `endpoint`, by default one of its own. */
  constructor(url: string | URL, options: NativeDialOptions = {}, endpoint?: QuicEndpoint) {
    super();
    this.#url = new URL(url);
    if (this.#url.protocol !== "quic:" || this.#url.port === "") {
      throw new TypeError(`not quic://host:port: ${url}`);
    }
    this.#options = options;
    this.#ownEndpoint = endpoint === undefined;
    this.#endpoint = endpoint ?? new QuicEndpoint();
  }

  override async close(code?: number, reason?: string): Promise<void> {
    await super.close(code, reason);
    await this.#gone;
  }

  protected async dial(signal: AbortSignal | undefined): Promise<Connection> {
    const { certificateHashes, caCerts, zeroRtt = true, alpn, maxIdleTimeout = 15_000, timeout = 5000 } =
      this.#options;
    const hostname = this.#url.hostname.replace(/^\[(.*)\]$/, "$1");
    try {
      const connection = await dialQuic({ hostname, port: Number(this.#url.port) }, {
        endpoint: this.#endpoint.get(),
        zeroRtt,
        timeout,
        maxIdleTimeout,
        ...(signal === undefined ? {} : { signal }),
        ...(alpn === undefined ? {} : { alpn }),
        ...(caCerts === undefined ? {} : { caCerts }),
        ...(certificateHashes === undefined || certificateHashes.length === 0
          ? {}
          : { serverCertificateHashes: certificateHashes }),
      });
      // The close has to leave before the socket goes.
      if (this.#ownEndpoint) {
        this.#gone = connection.closed.then(() => delay(0)).then(() => this.#endpoint.close());
      }
      return connection;
    } catch (error) {
      if (this.#ownEndpoint) this.#endpoint.close();
      throw error;
    }
  }
}

/** A file of lines on disk, for `fileOutbox`. Needs read and write permission for `path` and `path` + ".new". */
export function lineFile(path: string): LineFile {
  return fileAt(path, {});
}

/** As `lineFile`, a file that only its owner may read, for `fileGroupStorage` of `@skein/client/groups`. */
export function secretFile(path: string): LineFile {
  return fileAt(path, { mode: 0o600 });
}

function fileAt(path: string, mode: { mode?: number }): LineFile {
  return {
    async read() {
      try {
        return await Deno.readTextFile(path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return "";
        throw error;
      }
    },
    async append(text) {
      const file = await Deno.open(path, { append: true, create: true, write: true, ...mode });
      try {
        const bytes = new TextEncoder().encode(text);
        for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
        await file.syncData();
      } finally {
        file.close();
      }
    },
    async replace(text) {
      await Deno.writeTextFile(path + ".new", text, mode);
      await Deno.rename(path + ".new", path);
    },
  };
}

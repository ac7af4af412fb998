/**
 * The TCP side of the service: the public listener and the internal one, following the configuration.
 *
 * @module
 */

import type { FetchHandler } from "./deps.ts";
import { type HttpServer, startHttp, type TlsMaterial } from "./serve.ts";

/** Where one listener is to be. */
export interface HttpAddress {
  readonly hostname: string;
  readonly port: number;
  readonly tls: TlsMaterial | undefined;
}

/** One listener that moves when its place changes. */
export class HttpListener {
  readonly #handler: FetchHandler;
  readonly #failed: (error: unknown) => void;
  #server: HttpServer | undefined;
  #place: HttpAddress | undefined;
  #closing: Promise<void>[] = [];

  constructor(handler: FetchHandler, failed: (error: unknown) => void) {
    this.#handler = handler;
    this.#failed = failed;
  }

  /** Where it listens; undefined while it does not. */
  get address(): { readonly hostname: string; readonly port: number } | undefined {
    return this.#server?.address;
  }

  /**
   * Makes the listener fit `place`; undefined ends it. A new place is taken before the old one is given up, whose
   * sockets are closed with 1001: clients come back and resume. Rejects when the new place cannot be had; then
   * the old one goes on.
   */
  async apply(place: HttpAddress | undefined): Promise<void> {
    const before = this.#place;
    if (place !== undefined && before !== undefined && samePlace(before, place)) {
      if (place.tls !== undefined) await this.setCertificate(place.tls);
      return;
    }
    // One that is being ended may still have the port, when a refused configuration goes back to it.
    await Promise.all(this.#closing);
    const old = this.#server;
    const takeOver = place !== undefined && place.port === before?.port;
    this.#server = place === undefined ? undefined : startHttp({
      ...place,
      takeOver,
      handler: this.#handler,
      onError: this.#failed,
    });
    this.#place = place;
    if (old === undefined) return;
    const retired = this.#retire(old);
    // As long as both have the port either may be asked: it is over when only the new one answers.
    if (takeOver) await retired;
  }

  /**
   * Takes another certificate for new connections; does nothing while it listens without TLS. Rejects when the
   * certificate cannot be served; then the old one stays.
   */
  async setCertificate(tls: TlsMaterial): Promise<void> {
    const place = this.#place;
    if (place?.tls === undefined || (tls.cert === place.tls.cert && tls.key === place.tls.key)) return;
    this.#place = { ...place, tls };
    try {
      await this.#server!.setCertificate(tls);
    } catch (error) {
      this.#place = place;
      throw error;
    }
  }

  /** Ends it; requests in progress have `grace` milliseconds. */
  async close(grace: number): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#place = undefined;
    await server?.close(grace);
    await Promise.all(this.#closing);
  }

  #retire(server: HttpServer): Promise<void> {
    const done = server.close(1000).catch(this.#failed);
    this.#closing.push(done);
    return done.then(() => void (this.#closing = this.#closing.filter((other) => other !== done)));
  }
}

function samePlace(a: HttpAddress, b: HttpAddress): boolean {
  return a.hostname === b.hostname && a.port === b.port && (a.tls === undefined) === (b.tls === undefined);
}

/**
 * The TCP listener for the app, with TLS or without.
 *
 * @module
 */

import type { FetchHandler } from "./deps.ts";

/** A certificate chain and its private key in PEM. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
}

/** Options of `startHttp`. */
export interface HttpOptions {
  /** Address to bind; `::` takes IPv4 too. */
  readonly hostname: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: TlsMaterial | undefined;
  /** Another listener of this process has the port and is about to release it. @default false */
  readonly takeOver?: boolean;
  readonly handler: FetchHandler;
  /** Called once, when connections are accepted. */
  readonly onListen?: (address: { readonly hostname: string; readonly port: number }) => void;
  /** Called when a handler threw; the request was answered with 500. */
  readonly onError?: (error: unknown) => void;
}

/** A running listener. */
export interface HttpServer {
  readonly address: { readonly hostname: string; readonly port: number };
  /**
   * Uses another certificate for new connections. Requests in progress end as usual. WebSockets of before are closed with
   * 1001, so that clients reconnect and resume. When it rejects (a key that does not fit, ...) the old certificate stays
   * in use. Rejects with TypeError without `tls`.
   */
  setCertificate(tls: TlsMaterial): Promise<void>;
  /** Accepts no new connections; open ones have `grace` milliseconds (default 1000) to end, then they are cut. */
  close(grace?: number): Promise<void>;
}

/** Starts to listen. Throws the error of the runtime when the port is in use or the certificate cannot be used. */
export function startHttp(options: HttpOptions): HttpServer {
  return new DenoHttpServer(options);
}

type Running = Deno.HttpServer<Deno.NetAddr> & { readonly abort: AbortController };

class DenoHttpServer implements HttpServer {
  readonly address: { readonly hostname: string; readonly port: number };
  readonly #options: HttpOptions;
  #current: Running;
  #closed = false;

  constructor(options: HttpOptions) {
    this.#options = options;
    // With reusePort a port of another process would be shared silently, so it is first bound without it.
    if (options.takeOver !== true && options.port !== 0) {
      Deno.listen({ hostname: options.hostname, port: options.port }).close();
    }
    this.#current = this.#serve(options.port, options.tls);
    this.address = { hostname: this.#current.addr.hostname, port: this.#current.addr.port };
    options.onListen?.(this.address);
  }

  async setCertificate(tls: TlsMaterial): Promise<void> {
    if (this.#options.tls === undefined) throw new TypeError("a listener without TLS has no certificate");
    if (this.#closed) throw new TypeError("the listener is closed");
    const old = this.#current;
    this.#current = this.#serve(this.address.port, tls);
    await end(old, 10_000);
  }

  async close(grace = 1000): Promise<void> {
    this.#closed = true;
    await end(this.#current, grace);
  }

  #serve(port: number, tls: TlsMaterial | undefined): Running {
    const abort = new AbortController();
    const { hostname, handler, onError } = this.#options;
    const common = {
      hostname,
      port,
      reusePort: true,
      signal: abort.signal,
      onListen: () => {},
      onError: (error: unknown) => {
        onError?.(error);
        return new Response("internal error\n", { status: 500 });
      },
    };
    const server = tls === undefined
      ? Deno.serve(common, handler)
      : Deno.serve({ ...common, cert: tls.cert, key: tls.key }, handler);
    return Object.assign(server, { abort });
  }
}

async function end(server: Running, grace: number): Promise<void> {
  const timer = setTimeout(() => server.abort.abort(), grace);
  try {
    await server.shutdown();
    await server.finished;
  } finally {
    clearTimeout(timer);
  }
}

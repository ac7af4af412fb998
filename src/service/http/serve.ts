/**
 * The TCP listener for the app, with TLS or without.
 *
 * @module
 */

import { DenoServerWebSocket } from "../../transport/mod.ts";
import type { FetchHandler, RequestInfo } from "./deps.ts";
import { startNodeServer } from "./node_server.ts";

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
  /**
   * `skein`: node:http with our own WebSocket layer. `deno`: `Deno.serve` and `Deno.upgradeWebSocket`, which speaks
   * HTTP/2 as well and has no deadline for heads, no way to hold a peer back and no bound before a message is whole.
   * @default "skein"
   */
  readonly websocket?: "skein" | "deno";
  /** Milliseconds a peer has for a request's head, and for its first byte; `skein` only. @default 10000 */
  readonly headTimeout?: number;
  /** TCP connections at once; more are closed at once; `skein` only. @default no bound */
  readonly maxConnections?: number | undefined;
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
  /** Releases the port for another listener of this process, where two cannot have it; connections go on. */
  releasePort?(): Promise<void>;
  /** Binds the port again. */
  takePortBack?(): Promise<void>;
  /** Accepts no new connections; open ones have `grace` milliseconds (default 1000) to end, then they are cut. */
  close(grace?: number): Promise<void>;
}

/** Starts to listen. Rejects with the error of the runtime when the port is in use or the certificate cannot be used. */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  return options.websocket === "deno" ? new DenoHttpServer(options) : await startNodeServer(options);
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
    const { hostname, onError } = this.#options;
    const handler = (request: Request, { remoteAddr }: RequestInfo) =>
      this.#options.handler(request, {
        remoteAddr,
        upgradeWebSocket: () => {
          // The session has a heartbeat of its own: the runtime's would cost a timer for each message.
          const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
          return { socket: new DenoServerWebSocket(socket), response };
        },
      });
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
  // Not at once: a server that is ending by itself throws when it is aborted at that moment.
  const timer = setTimeout(() => server.abort.abort(), Math.max(20, grace));
  try {
    await server.shutdown();
    await server.finished;
  } finally {
    clearTimeout(timer);
  }
}

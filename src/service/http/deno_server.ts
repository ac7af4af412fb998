/**
 * The listener on `Deno.serve`.
 *
 * @module
 */

import { DenoServerWebSocket } from "../../transport/mod.ts";
import type { RequestInfo } from "./deps.ts";
import type { HttpOptions, HttpServer, TlsMaterial } from "./server.ts";

type Running = Deno.HttpServer<Deno.NetAddr> & { readonly abort: AbortController };

/** A listener of `Deno.serve`. Its constructor throws the error of the runtime. */
export class DenoHttpServer implements HttpServer {
  readonly address: { readonly hostname: string; readonly port: number };
  readonly #options: HttpOptions;
  #current: Running;
  #closed = false;
  /** The accept loop ended by itself: no descriptor was free. */
  #failed = false;
  #tls: TlsMaterial | undefined;

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

  checkAccepting(): Promise<boolean> {
    if (this.#closed || !this.#failed) return Promise.resolve(false);
    this.#failed = false;
    return Promise.resolve().then(() => {
      this.#current = this.#serve(this.address.port, this.#tls);
      return true;
    }).catch((error) => {
      this.#failed = true;
      throw error;
    });
  }

  async close(grace = 1000): Promise<void> {
    this.#closed = true;
    if (this.#failed) return;
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
    this.#tls = tls;
    const running = Object.assign(server, { abort });
    server.finished.catch((error) => {
      if (this.#closed || running !== this.#current) return;
      this.#failed = true;
      onError?.(error);
    });
    return running;
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

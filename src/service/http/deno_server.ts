/**
 * The listener on `Deno.serve`.
 *
 * @module
 */

import { settles } from "../../async/deadline.ts";
import { DenoServerWebSocket } from "../../transport/mod.ts";
import type { RequestInfo } from "./deps.ts";
import type { HttpOptions, HttpServer, TlsMaterial } from "./server.ts";

type Running = Deno.HttpServer<Deno.NetAddr> & {
  /**
   * Answer what is in progress: aborted once it has begun to end, a server of the runtime cuts nothing, and throws where
   * nobody catches it.
   */
  readonly cuts: Set<() => void>;
  /** Resolves when they have been called, because it did not end in time. */
  readonly late: PromiseWithResolvers<void>;
  timer?: ReturnType<typeof setTimeout>;
  ended?: Promise<void>;
};

/** Milliseconds for the last answers to leave when the grace is over. Who does not read them is left to the runtime. */
const LEAVING = 1000;

/** A listener of `Deno.serve`. Its constructor throws the error of the runtime. */
export class DenoHttpServer implements HttpServer {
  readonly address: { readonly hostname: string; readonly port: number };
  readonly #options: HttpOptions;
  #current: Running;
  /** Those with another certificate that are ending. */
  readonly #retired = new Set<Running>();
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
    this.#retired.add(old);
    await end(old, 10_000).finally(() => this.#retired.delete(old));
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
    const running = [...this.#retired, ...(this.#failed ? [] : [this.#current])];
    await Promise.all(running.map((server) => end(server, grace)));
  }

  #serve(port: number, tls: TlsMaterial | undefined): Running {
    const cuts = new Set<() => void>();
    const { hostname, onError } = this.#options;
    const handler = (request: Request, { remoteAddr }: RequestInfo) => {
      const answer = this.#options.handler(request, {
        remoteAddr,
        upgradeWebSocket: () => {
          // The session has a heartbeat of its own: the runtime's would cost a timer for each message.
          const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
          return { socket: new DenoServerWebSocket(socket), response };
        },
      });
      return answer instanceof Promise ? cuttable(answer, cuts) : answer;
    };
    const common = {
      hostname,
      port,
      reusePort: true,
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
    const running: Running = Object.assign(server, { cuts, late: Promise.withResolvers<void>() });
    server.finished.catch((error) => {
      if (this.#closed || running !== this.#current) return;
      this.#failed = true;
      onError?.(error);
    });
    return running;
  }
}

/** An answer that one of `cuts` can be given for, too. */
function cuttable(answer: Promise<Response>, cuts: Set<() => void>): Promise<Response> {
  return new Promise((resolve, reject) => {
    const cut = () => resolve(new Response("shutting down\n", { status: 503 }));
    cuts.add(cut);
    answer.then(resolve, reject).finally(() => cuts.delete(cut));
  });
}

/** Ends a server within `grace` milliseconds; of several calls the last one says how many. */
async function end(server: Running, grace: number): Promise<void> {
  clearTimeout(server.timer);
  const over = server.ended ??= Promise.all([server.shutdown(), server.finished]).then(() => {});
  server.timer = setTimeout(() => {
    for (const cut of server.cuts) cut();
    server.late.resolve();
  }, grace);
  try {
    await Promise.race([over, server.late.promise]);
    await settles(over, LEAVING);
  } finally {
    clearTimeout(server.timer);
  }
}

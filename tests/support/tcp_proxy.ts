/**
 * A TCP proxy on loopback for tests: it holds bytes for a while, so that connections through it have a round trip.
 *
 * @module
 */

/** Options of a proxy; delays may be changed while it runs. */
export interface TcpProxyOptions {
  /** Where connections go. */
  target: { hostname: string; port: number };
  /** Milliseconds bytes are held on their way to the server. @default 0 */
  delayToServer?: number;
  /** Milliseconds bytes are held on their way to the client. @default 0 */
  delayToClient?: number;
}

/** A proxy between any number of clients and one server. */
export class TcpProxy {
  delayToServer: number;
  delayToClient: number;
  /** Connections so far. */
  connections = 0;
  /** Bytes that clients have sent so far. */
  bytesToServer = 0;
  #target: { hostname: string; port: number };
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  readonly #loops = new Set<Promise<void>>();
  #closed = false;

  constructor({ target, delayToServer = 0, delayToClient = 0 }: TcpProxyOptions) {
    this.#target = target;
    this.delayToServer = delayToServer;
    this.delayToClient = delayToClient;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#run(this.#accept());
  }

  /** Where clients connect to, on 127.0.0.1. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** From now on new connections go to another server on the same host. */
  retarget(port: number): void {
    this.#target = { ...this.#target, port };
  }

  /** Ends every connection through it, as a network does that breaks. */
  cut(): void {
    for (const conn of [...this.#open]) this.#end(conn);
  }

  /** Closes everything; resolves when its loops have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#listener.close();
    this.cut();
    await Promise.all(this.#loops);
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) {
        // It had come before the listener was closed: nobody would close it.
        if (this.#closed) client.close();
        else this.#run(this.#join(client));
      }
    } catch {
      // The listener was closed.
    }
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    this.connections++;
    this.#open.add(client);
    client.setNoDelay(true);
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect(this.#target);
    } catch {
      return this.#end(client);
    }
    if (this.#closed) {
      server.close();
      return this.#end(client);
    }
    this.#open.add(server);
    server.setNoDelay(true);
    // The local kernel answers the handshake at once. Over a network it takes a round trip, so the first bytes wait.
    const from = performance.now() + this.delayToServer + this.delayToClient;
    const toServer = this.#pump(client, server, () => this.delayToServer, from, (count) => {
      this.bytesToServer += count;
    });
    const toClient = this.#pump(server, client, () => this.delayToClient, 0);
    await Promise.all([toServer, toClient]);
  }

  /** Carries bytes one way, in order; ends both connections when one ends. `from`: nothing leaves before it. */
  async #pump(
    source: Deno.TcpConn,
    sink: Deno.TcpConn,
    delay: () => number,
    from: number,
    passed: (count: number) => void = () => {},
  ): Promise<void> {
    const writer = sink.writable.getWriter();
    writer.closed.catch(() => {});
    let last = 0;
    const later = (act: () => void): void => {
      const now = performance.now();
      // Bytes stay in order also when the delay has become shorter.
      last = Math.max(last, Math.max(now, from) + delay());
      if (last <= now) return act();
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        if (!this.#closed) act();
      }, last - now);
      this.#timers.add(timer);
    };
    try {
      for await (const bytes of source.readable) {
        passed(bytes.length);
        later(() => void writer.write(bytes).catch(() => {}));
      }
    } catch {
      // When one side breaks, the other is closed too.
    }
    later(() => {
      this.#end(source);
      this.#end(sink);
    });
  }

  #end(conn: Deno.TcpConn): void {
    if (!this.#open.delete(conn)) return;
    try {
      conn.close();
    } catch {
      // It has ended by itself.
    }
  }

  #run(loop: Promise<void>): void {
    const guarded = loop.catch(() => {}).finally(() => this.#loops.delete(guarded));
    this.#loops.add(guarded);
  }
}

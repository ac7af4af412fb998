/**
 * A client: it dials with common options and counts what its connections do.
 *
 * @module
 */

import { Underway } from "../async/underway.ts";
import type { Client, ClientOptions, ClientStats, ConnectOptions } from "./client_types.ts";
import { QuicError } from "./errors.ts";
import { TrafficTotal } from "./traffic_counters.ts";
import type { Address, Connection } from "./types.ts";

/** How a client dials. */
type Connect = (to: string | URL | Address, options: ConnectOptions) => Promise<Connection>;

/** Makes a client that dials by `connect`. Throws RangeError on a bad `maxConnections`. */
export function clientOf(connect: Connect, options: ClientOptions): Client {
  const { maxConnections = Infinity } = options;
  if (!(maxConnections >= 1)) {
    throw new RangeError(`maxConnections must be at least 1, not ${maxConnections}`);
  }
  return new QuicClient(connect, options, maxConnections);
}

class QuicClient implements Client {
  readonly #connect: Connect;
  readonly #options: ConnectOptions;
  readonly #maxConnections: number;
  readonly #live = new Set<Connection>();
  readonly #total = new TrafficTotal();
  readonly #closed = new AbortController();
  readonly #underway = new Underway();
  #dials = 0;
  #dialling = 0;
  #failedDials = 0;
  #connections = 0;

  constructor(connect: Connect, options: ConnectOptions, maxConnections: number) {
    this.#connect = connect;
    this.#options = options;
    this.#maxConnections = maxConnections;
  }

  connect(to: string | URL | Address, options: ConnectOptions = {}): Promise<Connection> {
    return this.#underway.add(this.#dial(to, options));
  }

  async #dial(to: string | URL | Address, options: ConnectOptions): Promise<Connection> {
    this.#closed.signal.throwIfAborted();
    if (this.#live.size + this.#dialling >= this.#maxConnections) {
      throw new QuicError("rejected", `more than ${this.#maxConnections} connections`);
    }
    this.#dials++;
    this.#dialling++;
    try {
      const signals = [this.#closed.signal, options.signal ?? this.#options.signal];
      const signal = AbortSignal.any(signals.filter((each) => each !== undefined));
      const connection = await this.#connect(to, { ...this.#options, ...options, signal });
      if (this.#closed.signal.aborted) {
        // It came as the client was closed.
        await connection.close();
        throw this.#closed.signal.reason;
      }
      this.#connections++;
      this.#live.add(connection);
      this.#total.add(connection);
      void connection.closed.then(() => this.#live.delete(connection));
      return connection;
    } catch (error) {
      this.#failedDials++;
      throw error;
    } finally {
      this.#dialling--;
    }
  }

  stats(): ClientStats {
    return {
      dials: this.#dials,
      failedDials: this.#failedDials,
      connections: this.#connections,
      connectionsActive: this.#live.size,
      ...this.#total.sum(),
    };
  }

  async close(code = 0, reason = ""): Promise<void> {
    this.#closed.abort(new QuicError("rejected", "the client is closed"));
    await Promise.all([...this.#live].map((connection) => connection.close(code, reason)));
    await this.#underway.over();
  }
}

/**
 * The listening side: one UDP endpoint for raw QUIC and HTTP/3.
 *
 * @module
 */

import { settles } from "../async/deadline.ts";
import { Underway } from "../async/underway.ts";
import { bindEndpoint, plainAddress } from "./address.ts";
import { QuicError } from "./errors.ts";
import { H3 } from "./h3/errors.ts";
import { Handshakes } from "./handshakes.ts";
import { type Intake, type LiveConnection, takeConnection } from "./intake.ts";
import { type Settings, settle, transportOptions } from "./listen_options.ts";
import { AsyncQueue } from "./queue.ts";
import type { Listener, ListenerStats, ListenOptions } from "./server_types.ts";
import { TrafficTotal } from "./traffic_counters.ts";
import type { Address, Connection } from "./types.ts";
import { afterTurn } from "./turn.ts";

/** What only another `listen` of the endpoint changes. */
const LISTENED = [
  "cert",
  "key",
  "alpn",
  "maxBidirectionalStreams",
  "maxUnidirectionalStreams",
  "maxIdleTimeout",
  "keepAliveInterval",
  "congestionControl",
] as const satisfies readonly (keyof Settings)[];
/** Milliseconds that sessions have, when the listener closes, to take their close code. */
const CLOSE_GRACE = 1_500;

/**
 * Listens for raw QUIC and WebTransport on one UDP port. Throws what Deno throws when the port cannot be bound or the
 * certificate is bad, RangeError and TypeError on bad options.
 */
export function listen(options: ListenOptions): Listener {
  return new QuicListener(options);
}

class QuicListener implements Listener {
  readonly #endpoint: Deno.QuicEndpoint;
  // All of them stay referenced and are read: collecting an earlier one would stop the later.
  readonly #listeners: Deno.QuicListener[] = [];
  readonly #connections: AsyncQueue<Connection>;
  readonly #live = new Set<LiveConnection>();
  readonly #intake: Intake;
  readonly #handedOut = new TrafficTotal();
  /** Listeners that accept, and connections that are served. */
  readonly #underway = new Underway();
  #settings: Settings;
  #draining = false;
  #closing: Promise<void> | undefined;

  constructor(options: ListenOptions) {
    this.#settings = settle(options);
    const { hostname, port, cert, key } = this.#settings;
    this.#connections = new AsyncQueue(this.#settings.maxPendingConnections, (connection) => {
      this.#intake.counters.refused++;
      connection.close(H3.EXCESSIVE_LOAD, "too many connections wait");
    });
    this.#intake = {
      handshakes: new Handshakes(),
      counters: {
        connections: 0,
        connectionsActive: 0,
        failedHandshakes: 0,
        refused: 0,
        streamsRefused: 0,
        handedOut: 0,
        requests: 0,
        requestsRefused: 0,
      },
      live: this.#live,
      handOut: (connection) => {
        this.#intake.counters.handedOut++;
        this.#handedOut.add(connection);
        this.#connections.push(connection);
      },
    };
    this.#endpoint = bindEndpoint({ port, ...(hostname === undefined ? {} : { hostname }) });
    try {
      this.setCertificate(cert, key);
    } catch (error) {
      this.#endpoint.close();
      throw error;
    }
  }

  get address(): Address {
    return plainAddress(this.#endpoint.addr);
  }

  get connections(): AsyncIterable<Connection> {
    return this.#connections;
  }

  stats(): ListenerStats {
    const { counters, handshakes } = this.#intake;
    return { ...counters, handshaking: handshakes.size, ...this.#handedOut.sum() };
  }

  setCertificate(cert: string, key: string): void {
    if (this.#closing !== undefined) throw new QuicError("rejected", "the listener is closed");
    const listener = this.#endpoint.listen({
      cert,
      key,
      alpnProtocols: ["h3", ...this.#settings.alpn],
      ...transportOptions(this.#settings),
    });
    this.#settings = { ...this.#settings, cert, key };
    this.#listeners.push(listener);
    void this.#underway.add(this.#accept(listener));
  }

  update(options: Partial<ListenOptions>): void {
    const before = this.#settings;
    const after = settle({ ...before, ...options, port: before.port });
    this.#settings = after;
    if (LISTENED.every((name) => String(after[name]) === String(before[name]))) return;
    try {
      this.setCertificate(after.cert, after.key);
    } catch (error) {
      this.#settings = before;
      throw error;
    }
  }

  drain(): void {
    this.#draining = true;
    for (const connection of this.#live) connection.leave();
  }

  resume(): void {
    if (this.#closing === undefined) this.#draining = false;
  }

  close(code = 0, reason = ""): Promise<void> {
    this.#closing ??= this.#close(code, reason);
    return this.#closing;
  }

  async #close(code: number, reason: string): Promise<void> {
    this.#draining = true;
    const live = [...this.#live];
    for (const connection of live) connection.close(code, reason);
    this.#connections.end(true);
    await settles(Promise.all(live.map((connection) => connection.ended)), CLOSE_GRACE);
    // The close of a connection leaves the machine only when the event loop turns.
    await new Promise<void>(afterTurn);
    this.#endpoint.close({ closeCode: code, reason });
    // What still looks at connections finds them ended.
    await settles(this.#underway.over(), CLOSE_GRACE);
  }

  async #accept(listener: Deno.QuicListener): Promise<void> {
    for (;;) {
      let incoming: Deno.QuicIncoming;
      try {
        incoming = await listener.incoming();
      } catch {
        return; // The endpoint was closed.
      }
      if (this.#draining) refuse(incoming);
      else void this.#underway.add(takeConnection(incoming, this.#settings, this.#intake));
    }
  }
}

function refuse(incoming: Deno.QuicIncoming): void {
  try {
    incoming.refuse();
  } catch {
    // It has gone already.
  }
}

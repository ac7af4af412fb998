/**
 * What an HTTP listener is, whichever adapter provides it.
 *
 * @module
 */

import type { Pooled } from "./connection_pool.ts";
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
  /**
   * `skein`: node:http with our own WebSocket layer. `deno`: `Deno.serve` and `Deno.upgradeWebSocket`, which speaks
   * HTTP/2 as well and has no deadline for heads, no way to hold a peer back and no bound before a message is whole.
   * @default "skein"
   */
  readonly websocket?: "skein" | "deno";
  /** Milliseconds a peer has for a request's head, and for its first byte; `skein` only. @default 10000 */
  readonly headTimeout?: number;
  /** Connections that the system keeps until they are accepted; `skein` only. @default 511 */
  readonly backlog?: number;
  /**
   * Takes a new TCP connection from `address` into account, or refuses it: then it is closed. `close` ends it when it has
   * to give way to another; `skein` only. @default all are taken
   */
  readonly admitConnection?: ((address: string, close: () => void) => Pooled | undefined) | undefined;
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
  /** Makes sure that it accepts connections, and starts to listen again when it does not: true then. Rejects when it cannot. */
  checkAccepting(): Promise<boolean>;
  /** Accepts no new connections; open ones have `grace` milliseconds (default 1000) to end, then they are cut. */
  close(grace?: number): Promise<void>;
}

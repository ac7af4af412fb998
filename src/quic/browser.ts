/**
 * The library for browsers: WebTransport connections with many streams and datagrams, and the same `Connection` as on
 * the server. Holds nothing of Deno.
 *
 * @module
 */

import { clientOf } from "./client_pool.ts";
import type { Client, ClientOptions, ConnectOptions } from "./client_types.ts";
import type { Address, Connection } from "./types.ts";
import { dialWebTransport } from "./webtransport.ts";

export type * from "./client_types.ts";
export * from "./errors.ts";
export * from "./types.ts";

/**
 * Connects to an `https:` URL by WebTransport. Rejects with DialError, with the signal's reason when aborted, and with
 * TypeError on another scheme. Of the options browsers know `serverCertificateHashes`, `timeout` and `signal`.
 */
export async function connect(to: string | URL | Address, options: ConnectOptions = {}): Promise<Connection> {
  if (typeof to !== "string" && !(to instanceof URL)) throw new TypeError("browsers have no raw QUIC");
  const url = new URL(to);
  if (url.protocol !== "https:") throw new TypeError(`not a scheme to dial: ${url.protocol}`);
  return await dialWebTransport(url, options);
}

/** Makes a client. Throws RangeError on a bad `maxConnections`. */
export function createClient(options: ClientOptions = {}): Client {
  return clientOf(connect, options);
}

/**
 * The dialling side for programs that run in Deno and in browsers: what needs Deno is loaded only there.
 *
 * @module
 */

import { clientOf } from "./client_pool.ts";
import type { Client, ClientOptions, ConnectOptions } from "./client_types.ts";
import type { Address, Connection } from "./types.ts";
import { dialWebTransport } from "./webtransport.ts";

/**
 * Deno's own WebTransport client sends no end of a stream, sees no close capsule, puts its close code where HTTP/3 does
 * not expect it, and an empty datagram from the server ends the whole process. So it is not used.
 */
const IN_DENO = globalThis.navigator?.userAgent?.startsWith("Deno/") ?? false;

/** Whether this runtime can dial WebTransport. */
export function canDialWebTransport(): boolean {
  return IN_DENO || typeof globalThis.WebTransport === "function";
}

/**
 * Dials WebTransport: by our own HTTP/3 layer in Deno, with the browser's `WebTransport` elsewhere. Rejects with
 * DialError, or with the signal's reason when aborted.
 */
export async function dialSession(url: URL, options: ConnectOptions = {}): Promise<Connection> {
  if (!IN_DENO) return await dialWebTransport(url, options);
  return await (await import("./native.ts")).dialSession(url, options);
}

/**
 * Connects: to `https:` URLs by WebTransport, to `quic://host:port` and addresses by raw QUIC (Deno only). Rejects with
 * DialError, with the signal's reason when aborted, and with TypeError on another scheme.
 */
export async function connect(
  to: string | URL | Address,
  options: ConnectOptions = {},
): Promise<Connection> {
  if (typeof to !== "string" && !(to instanceof URL)) {
    return await (await import("./native.ts")).dialQuic(to, options);
  }
  const url = new URL(to);
  if (url.protocol === "https:") return await dialSession(url, options);
  if (url.protocol !== "quic:") throw new TypeError(`not a scheme to dial: ${url.protocol}`);
  if (url.port === "") throw new TypeError(`no port in ${url}`);
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return await (await import("./native.ts")).dialQuic({ hostname, port: Number(url.port) }, options);
}

/** Makes a client. Throws RangeError on a bad `maxConnections`. */
export function createClient(options: ClientOptions = {}): Client {
  return clientOf(connect, options);
}

/**
 * The dialling side: WebTransport in browsers and Deno, raw QUIC in Deno. A browser bundle may import this file.
 *
 * @module
 */

import type { ConnectOptions } from "./client_types.ts";
import type { Address, Connection } from "./types.ts";
import { dialWebTransport } from "./webtransport.ts";

/**
 * Connects. `https:` URLs are dialled with the global `WebTransport`; `quic://host:port` and addresses with raw
 * QUIC. Rejects with TimeoutError after `timeout`, the signal's reason when aborted, else with what failed.
 */
export async function connect(
  to: string | URL | Address,
  options: ConnectOptions = {},
): Promise<Connection> {
  if (typeof to !== "string" && !(to instanceof URL)) {
    return await (await import("./native.ts")).dialQuic(to, options);
  }
  const url = new URL(to);
  if (url.protocol === "https:") return await dialWebTransport(url, options);
  if (url.protocol !== "quic:") throw new TypeError(`not a scheme to dial: ${url.protocol}`);
  if (url.port === "") throw new TypeError(`no port in ${url}`);
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return await (await import("./native.ts")).dialQuic({ hostname, port: Number(url.port) }, options);
}

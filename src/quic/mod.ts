/**
 * Many streams and datagrams on one connection: one surface over raw QUIC and WebTransport, for servers (Deno) and
 * clients (Deno; browsers by `client.ts`). Needs Deno with `"unstable": ["net"]`.
 *
 * @module
 */

import { NativeEndpoint } from "./native.ts";
import type { ClientEndpoint } from "./client_types.ts";

export { connect } from "./client.ts";
export * from "./errors.ts";
export { listen } from "./listener.ts";
export type * from "./client_types.ts";
export type * from "./server_types.ts";
export * from "./types.ts";

/**
 * Makes a UDP endpoint for raw QUIC clients, to share among connections: 0-RTT tickets live in it. Throws what Deno
 * throws when the address cannot be bound. @param options Where to bind; by default any port of all addresses.
 */
export function createEndpoint(options: { hostname?: string; port?: number } = {}): ClientEndpoint {
  return new NativeEndpoint(options);
}

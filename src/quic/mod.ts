/**
 * Many streams and datagrams on one connection: one surface over raw QUIC and WebTransport, for servers and clients.
 * Needs Deno with `"unstable": ["net"]`; `browser.ts` is the part for browsers.
 *
 * @module
 */

import type { ClientEndpoint } from "./client_types.ts";
import { NativeEndpoint } from "./native.ts";

export { certificateHash } from "./certificate_hash.ts";
export { connect, createClient } from "./client.ts";
export type * from "./client_types.ts";
export * from "./errors.ts";
export { listen } from "./listener.ts";
export { selfSignedCertificate, type SelfSignedOptions } from "./self_signed.ts";
export { createRateLimiter, type Rate, type RateLimiterOptions, type Rates } from "./rate_limiter.ts";
export type * from "./server_types.ts";
export * from "./types.ts";

/**
 * Makes a UDP endpoint for clients, to share among connections: 0-RTT tickets live in it. Throws what Deno throws when
 * the address cannot be bound. @param options Where to bind; by default any port of all addresses.
 */
export function createEndpoint(options: { hostname?: string; port?: number } = {}): ClientEndpoint {
  return new NativeEndpoint(options);
}

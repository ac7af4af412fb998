/**
 * Addresses: as they are bound and as they are shown to others.
 *
 * @module
 */

import type { Address } from "./types.ts";

/** A plain address of Deno's; an IPv4 one that came through an IPv6 socket loses its prefix. */
export function plainAddress({ hostname, port }: Address): Address {
  return { hostname: hostname.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, ""), port };
}

/** Where the UDP socket of a connection is bound; `undefined` once its endpoint is closed. */
export function boundAddress(conn: Deno.QuicConn): Address | undefined {
  try {
    return plainAddress(conn.endpoint.addr);
  } catch {
    return undefined;
  }
}

/** Binds a UDP endpoint: to all addresses when none is given, also on machines without IPv6. */
export function bindEndpoint(options: { hostname?: string; port?: number }): Deno.QuicEndpoint {
  if (options.hostname !== undefined) return new Deno.QuicEndpoint(options);
  try {
    return new Deno.QuicEndpoint({ ...options, hostname: "::" });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) throw error;
    return new Deno.QuicEndpoint({ ...options, hostname: "0.0.0.0" });
  }
}

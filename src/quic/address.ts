/**
 * Addresses as they are shown to others.
 *
 * @module
 */

import type { Address } from "./types.ts";

/** A plain address of Deno's; an IPv4 one that came through an IPv6 socket loses its prefix. */
export function plainAddress({ hostname, port }: Address): Address {
  return { hostname: hostname.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, ""), port };
}

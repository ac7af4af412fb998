/**
 * Finds the addresses at which this machine may be reached.
 *
 * @module
 */

import { type Address, familyOf, scopeOf } from "./address.ts";
import type { Multiplexer } from "./multiplexer.ts";
import type { Candidate } from "./ports.ts";
import { resolved } from "./turn/carrier.ts";
import { parseServerUrl } from "./turn/url.ts";

/** Addresses told of one machine; more would only make the search longer. */
const MAX_HOSTS = 8;

/** The addresses of this machine's interfaces, without link-local ones. Needs the permission `sys`. */
export function interfaceAddresses(): string[] {
  return Deno.networkInterfaces().map(({ address }) => address);
}

/** The addresses themselves, with the ports of the multiplexer's sockets. Loopback only when there is nothing else. */
export function hostCandidates(mux: Multiplexer, interfaces: readonly string[]): Candidate[] {
  const known = [...new Set(interfaces)].filter((address) => scopeOf(address) !== "link");
  const outside = known.filter((address) => scopeOf(address) !== "loopback");
  const chosen = (outside.length > 0 ? outside : known).slice(0, MAX_HOSTS);
  return chosen.flatMap((hostname): Candidate[] => {
    const socket = mux.sockets.find(({ address }) => familyOf(address.hostname) === familyOf(hostname));
    return socket === undefined ? [] : [{ kind: "host", address: { hostname, port: socket.address.port } }];
  });
}

/**
 * What STUN servers see of us. Each address is told once, as soon as it is known; a host address that a server sees
 * unchanged is not told again.
 */
export async function reflexiveCandidates(
  mux: Multiplexer,
  urls: readonly string[],
  found: (candidate: Candidate) => void,
): Promise<void> {
  const seen = new Set<string>();
  await Promise.all(urls.map(async (url) => {
    try {
      const address = await mux.reflexive(await stunAddress(url));
      if (address === undefined || seen.has(`${address.hostname} ${address.port}`)) return;
      seen.add(`${address.hostname} ${address.port}`);
      found({ kind: "reflexive", address });
    } catch { /* A server that does not answer: others may, or the relay. */ }
  }));
}

/** The address of a STUN server. Rejects with PeerError or TypeError. */
export async function stunAddress(url: string, signal?: AbortSignal): Promise<Address> {
  const { hostname, port } = parseServerUrl(url);
  return { hostname: await resolved(hostname, signal), port };
}

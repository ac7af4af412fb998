/**
 * Whether the configured ports can be bound: each is bound and released at once.
 *
 * @module
 */

import { fail, type Finding, ok, sentence } from "./check.ts";

/** Where something should listen. */
interface BindAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Whether QUIC can listen here. */
export function checkUdp(address: BindAddress): Finding {
  return bind(
    address,
    "udp",
    () => new Deno.QuicEndpoint({ hostname: address.hostname, port: address.port }).close(),
  );
}

/** Whether HTTP can listen here. */
export function checkTcp(address: BindAddress): Finding {
  return bind(address, "tcp", () => Deno.listen({ hostname: address.hostname, port: address.port }).close());
}

function bind(address: BindAddress, protocol: "udp" | "tcp", attempt: () => void): Finding {
  const { hostname, port } = address;
  const where = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/${protocol}`;
  try {
    attempt();
    return ok(`${where} can be bound.`);
  } catch (error) {
    return fail(`${where} cannot be bound: ${sentence(error)}.`, advise(error, address));
  }
}

function advise(error: unknown, { hostname, port }: BindAddress): string {
  const text = sentence(error);
  if (error instanceof Deno.errors.AddrInUse) {
    return "If that is Skein running already, all is well; else take another port or end what uses this one.";
  }
  if (error instanceof Deno.errors.NotCapable) return `Run it with --allow-net=${hostname}:${port}.`;
  if (error instanceof Deno.errors.PermissionDenied) {
    return port < 1024
      ? "Ports below 1024 are for root: take a higher one, or give the program CAP_NET_BIND_SERVICE."
      : "Something on this machine forbids it: look at its security policy.";
  }
  if (error instanceof Deno.errors.AddrNotAvailable || /family|available|assign/i.test(text)) {
    return hostname.includes(":")
      ? `This machine has no such IPv6 address: set the hostname to "0.0.0.0".`
      : "Set the hostname to an address of this machine.";
  }
  return "Set the hostname to an address of this machine and the port to a free one.";
}

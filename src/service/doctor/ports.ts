/**
 * Whether the configured ports can be bound: each is bound and released at once.
 *
 * @module
 */

import { BindError, bindSync } from "../bind.ts";
import { fail, type Finding, ok, sentence } from "./check.ts";

/** Where something should listen. */
interface BindAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Whether QUIC can listen here. */
export function checkUdp(address: BindAddress): Finding {
  return check(address, "udp", (hostname) => new Deno.QuicEndpoint({ hostname, port: address.port }).close());
}

/** Whether HTTP can listen here. */
export function checkTcp(address: BindAddress): Finding {
  return check(address, "tcp", (hostname) => Deno.listen({ hostname, port: address.port }).close());
}

function check(
  address: BindAddress,
  protocol: "udp" | "tcp",
  attempt: (hostname: string) => void,
): Finding {
  const { hostname, port } = address;
  const where = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/${protocol}`;
  let ipv4 = false;
  try {
    bindSync({ group: protocol, hostname, port }, attempt, () => ipv4 = true);
    return ok(
      ipv4 ? `0.0.0.0:${port}/${protocol} can be bound; there is no IPv6.` : `${where} can be bound.`,
    );
  } catch (thrown) {
    const error = thrown instanceof BindError ? thrown.cause : thrown;
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

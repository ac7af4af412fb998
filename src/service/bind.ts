/**
 * Binding addresses: IPv4 where there is no IPv6, and errors that say what to do.
 *
 * @module
 */

/** An address cannot be bound. The message is one line with the setting and what to do about it. */
export class BindError extends Error {
  override readonly name = "BindError";
}

/** What is bound. */
export interface Binding {
  /** The group of settings that holds `hostname` and `port`: `http`, `http.internal`, `quic`. */
  readonly group: string;
  readonly hostname: string;
  readonly port: number;
}

/**
 * The result of `listen`, which is called with the host name to bind: `hostname`, or `0.0.0.0` for `::` on a machine
 * without IPv6. `onIpv4` is called in that case. Rejects with BindError when nothing can be bound.
 */
export async function bind<T>(
  binding: Binding,
  listen: (hostname: string) => T | Promise<T>,
  onIpv4: () => void = () => {},
): Promise<T> {
  try {
    return await listen(binding.hostname);
  } catch (error) {
    if (!mayLackIpv6(binding, error)) throw bindError(binding, error);
  }
  try {
    const listener = await listen(IPV4);
    onIpv4();
    return listener;
  } catch (error) {
    throw bindError({ ...binding, hostname: IPV4 }, error);
  }
}

/** The same as `bind` for a `listen` that is synchronous. */
export function bindSync<T>(
  binding: Binding,
  listen: (hostname: string) => T,
  onIpv4: () => void = () => {},
): T {
  try {
    return listen(binding.hostname);
  } catch (error) {
    if (!mayLackIpv6(binding, error)) throw bindError(binding, error);
  }
  try {
    const listener = listen(IPV4);
    onIpv4();
    return listener;
  } catch (error) {
    throw bindError({ ...binding, hostname: IPV4 }, error);
  }
}

const IPV4 = "0.0.0.0";

/** Whether another address may help. */
function mayLackIpv6({ hostname }: Binding, error: unknown): boolean {
  const reason = reasonOf(error);
  return hostname === "::" && reason !== "in use" && reason !== "denied";
}

function bindError({ group, hostname, port }: Binding, cause: unknown): BindError {
  return new BindError(explain({ group, hostname, port }, cause), { cause });
}

function explain({ group, hostname, port }: Binding, error: unknown): string {
  const another = `set another port, as in --${group}.port ${port < 65535 ? port + 1 : 8080}`;
  switch (reasonOf(error)) {
    case "in use":
      return `${group}.port: ${port} is in use; end the program that uses it (perhaps another Skein), or ${another}`;
    case "denied":
      return `${group}.port: this user may not listen on ${port}; ${another}, or give the program CAP_NET_BIND_SERVICE`;
    case "not here":
      return `${group}.hostname: "${hostname}" is not an address of this machine`;
    default: {
      const reason = error instanceof Error ? error.message : String(error);
      return `${group}.hostname: cannot listen on "${hostname}", port ${port}: ${reason}`;
    }
  }
}

/** Why an address cannot be bound, from an error of Deno or of node:net. */
function reasonOf(error: unknown): "in use" | "denied" | "not here" | "other" {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
  if (error instanceof Deno.errors.AddrInUse || code === "EADDRINUSE") return "in use";
  if (error instanceof Deno.errors.PermissionDenied || code === "EACCES" || code === "EPERM") return "denied";
  if (error instanceof Deno.errors.NotCapable) return "denied";
  if (error instanceof Deno.errors.AddrNotAvailable || code === "EADDRNOTAVAIL") return "not here";
  // Deno's node:net has this code for an address of another machine.
  if (code === "EINVAL") return "not here";
  return "other";
}

/**
 * IP addresses and UDP ports: as text, as bytes, as keys.
 *
 * @module
 */

/** An IP address and UDP port. */
export interface Address {
  /** IPv4 or IPv6 as text, without brackets. */
  readonly hostname: string;
  readonly port: number;
}

/** The family of an address. */
export type Family = "ipv4" | "ipv6";

/** Which family `hostname` belongs to. */
export function familyOf(hostname: string): Family {
  return hostname.includes(":") ? "ipv6" : "ipv4";
}

/** Whether two addresses are the same. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.port === b.port && a.hostname === b.hostname;
}

/** For people and for logs: `192.0.2.1:80`, `[2001:db8::1]:80`. */
export function formatAddress({ hostname, port }: Address): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Removes the prefix that IPv4 addresses have on an IPv6 socket. */
export function plainHostname(hostname: string): string {
  return hostname.startsWith("::ffff:") && hostname.includes(".") ? hostname.slice(7) : hostname;
}

/** The bytes of an IP address: 4 or 16. Throws TypeError when `hostname` is none. */
export function addressBytes(hostname: string): Uint8Array<ArrayBuffer> {
  return familyOf(hostname) === "ipv4" ? ipv4Bytes(hostname) : ipv6Bytes(hostname);
}

/** Whether a text is an IP address, and no name that somebody would have to resolve. */
export function isAddress(hostname: string): boolean {
  try {
    return addressBytes(hostname).length > 0;
  } catch {
    return false;
  }
}

/** The text of 4 or 16 bytes; IPv6 in the short form of RFC 5952. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[i * 2]! << 8) | bytes[i * 2 + 1]!);
  const { start, length } = longestZeros(groups);
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

/** Where an address is valid. */
export type Scope = "loopback" | "link" | "private" | "global";

/** The scope of an IP address: RFC 1918, 4193, 4291, 6598. */
export function scopeOf(hostname: string): Scope {
  if (familyOf(hostname) === "ipv6") {
    if (hostname === "::1") return "loopback";
    const first = ipv6Bytes(hostname);
    if (first[0] === 0xfe && (first[1]! & 0xc0) === 0x80) return "link";
    return (first[0]! & 0xfe) === 0xfc ? "private" : "global";
  }
  const [a, b] = ipv4Bytes(hostname);
  if (a === 127) return "loopback";
  if (a === 169 && b === 254) return "link";
  const local = a === 10 || (a === 172 && b! >= 16 && b! < 32) || (a === 192 && b === 168) ||
    (a === 100 && b! >= 64 && b! < 128);
  return local ? "private" : "global";
}

function ipv4Bytes(hostname: string): Uint8Array<ArrayBuffer> {
  const parts = hostname.split(".");
  const valid = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
  if (!valid) throw new TypeError(`not an IP address: ${hostname}`);
  return Uint8Array.from(parts, Number);
}

function ipv6Bytes(hostname: string): Uint8Array<ArrayBuffer> {
  const fail = (): never => {
    throw new TypeError(`not an IP address: ${hostname}`);
  };
  // A zone ("%eth0") names an interface of this machine only.
  let text = hostname.split("%")[0]!;
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (tail) {
    const [a, b, c, d] = ipv4Bytes(tail[2]!);
    text = `${tail[1]}${((a! << 8) | b!).toString(16)}:${((c! << 8) | d!).toString(16)}`;
  }
  const halves = text.split("::");
  if (halves.length > 2) fail();
  const groups = halves.map((half) => half === "" ? [] : half.split(":"));
  const [head, rest = []] = groups as [string[], string[]?];
  const missing = 8 - head.length - rest.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) fail();
  const all = [...head, ...Array<string>(Math.max(missing, 0)).fill("0"), ...rest];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) fail();
  return Uint8Array.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

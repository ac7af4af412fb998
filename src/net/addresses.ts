/**
 * Which addresses belong to the public internet. Others lead into the machine, its network, or nowhere.
 *
 * @module
 */

/** IPv4 networks that are not public, as in the IANA registry of special-purpose addresses (RFC 6890). */
const PRIVATE_V4: readonly (readonly [network: string, bits: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];

/** IPv6 networks within 2000::/3 that are not public; everything outside of that is not public either. */
const PRIVATE_V6: readonly (readonly [network: string, bits: number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["3fff::", 20],
];

/** Whether `address` is a public one. What is no address is not. IPv4 within IPv6 is judged by the IPv4 address. */
export function isPublicAddress(address: string): boolean {
  const v4 = parseV4(address);
  if (v4 !== undefined) return isPublicV4(v4);
  const v6 = parseV6(address);
  if (v6 === undefined) return false;
  const inner = v4Within(v6);
  if (inner !== undefined) return isPublicV4(inner);
  return v6 >> 125n === 1n && !PRIVATE_V6.some(([network, bits]) => {
    const shift = BigInt(128 - bits);
    return v6 >> shift === parseV6(network)! >> shift;
  });
}

/** Whether `text` is an IPv4 or an IPv6 address, without brackets. */
export function isAddress(text: string): boolean {
  return parseV4(text) !== undefined || parseV6(text) !== undefined;
}

function isPublicV4(address: number): boolean {
  return !PRIVATE_V4.some(([network, bits]) => {
    const size = 2 ** (32 - bits);
    return Math.floor(address / size) === Math.floor(parseV4(network)! / size);
  });
}

/** The IPv4 address that an IPv6 address leads to. */
function v4Within(address: bigint): number | undefined {
  const low = Number(address & 0xffff_ffffn);
  // IPv4-mapped and the deprecated IPv4-compatible addresses; ::1 is 0.0.0.1, which is not public.
  if (address >> 32n === 0xffffn || address >> 32n === 0n) return low;
  // NAT64 (RFC 6052).
  if (address >> 32n === 0x64_ff9b_0000_0000_0000_0000n) return low;
  // 6to4 (RFC 3056).
  if (address >> 112n === 0x2002n) return Number(address >> 80n & 0xffff_ffffn);
  return undefined;
}

function parseV4(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

function parseV6(text: string): bigint | undefined {
  // A zone names an interface of this machine.
  if (!/^[0-9a-fA-F:.]{2,45}$/.test(text)) return undefined;
  let rest = text;
  const dot = rest.lastIndexOf(":");
  if (rest.includes(".")) {
    const v4 = parseV4(rest.slice(dot + 1));
    if (v4 === undefined) return undefined;
    rest = `${rest.slice(0, dot + 1)}${(v4 >>> 16).toString(16)}:${(v4 & 0xffff).toString(16)}`;
  }
  const halves = rest.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => half === "" ? [] : half.split(":"));
  const count = groups.reduce((sum, { length }) => sum + length, 0);
  if (halves.length === 1 ? count !== 8 : count > 7) return undefined;
  const [head = [], tail = []] = groups;
  const all = halves.length === 1 ? head : [...head, ...Array<string>(8 - count).fill("0"), ...tail];
  if (!all.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return all.reduce((sum, group) => sum << 16n | BigInt(parseInt(group, 16)), 0n);
}

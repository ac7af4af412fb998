/**
 * Codes that two people compare to know that nobody is between them.
 *
 * @module
 */

import { utf8 } from "./encoding.ts";
import type { DeviceName } from "./identity.ts";

/** Groups of five digits. */
const GROUPS = 6;
/**
 * Rounds of PBKDF2. With 30 digits somebody in between looks for two keys of its own with equal codes: 2^50 tries, each
 * of them this much work.
 */
const ROUNDS = 200_000;

/**
 * The code of two users as both of them see it: six groups of five digits, made of the devices of both.
 * The same for both, whoever asks.
 */
export async function codeOf(devices: readonly DeviceName[]): Promise<string> {
  const lines = devices.map(({ user, device }) => `${user}\n${device}`).sort();
  const secret = await crypto.subtle.importKey("raw", utf8(lines.join("\n\n")), "PBKDF2", false, [
    "deriveBits",
  ]);
  const derivation = {
    name: "PBKDF2",
    hash: "SHA-512",
    salt: utf8("skein safety code 1"),
    iterations: ROUNDS,
  };
  const bits = new DataView(await crypto.subtle.deriveBits(derivation, secret, GROUPS * 64));
  return Array.from(
    { length: GROUPS },
    (_, i) => String(bits.getBigUint64(i * 8) % 100_000n).padStart(5, "0"),
  ).join(" ");
}

/**
 * The development certificate: made for this machine, valid for so few days that browsers accept its hash.
 *
 * @module
 */

import { join } from "node:path";
import { selfSignedCertificate } from "../../quic/mod.ts";
import { type Certificate, coversHost, parseCertificate } from "./certificate.ts";

const DAY = 86_400_000;
/** Life of a development certificate, below the 14 days that browsers allow. */
export const DEVELOPMENT_LIFETIME = 13 * DAY;
/** A certificate with less time left than this is replaced. */
export const RENEW_BEFORE = 2 * DAY;
/** It is valid from a little in the past, for clients whose clocks are behind. */
const BACKDATED = 5 * 60_000;

/** Names every development certificate has. */
export const LOCAL_NAMES: readonly string[] = ["localhost", "127.0.0.1", "::1"];

/** What to make and where to keep it. */
export interface DevelopmentOptions {
  /** Directory of `dev-cert.pem` and `dev-key.pem`; made when it is not there. */
  readonly directory: string;
  /** DNS names and addresses beside localhost, 127.0.0.1 and ::1. @default none */
  readonly names?: readonly string[] | undefined;
}

/** A development certificate and where it came from. */
export interface DevelopmentCertificate {
  readonly certificate: Certificate;
  /** Whether it was made just now. */
  readonly made: boolean;
  /** Why it could not be written; the next start then makes another one with another hash. */
  readonly notKept?: string;
}

/** Where the certificate and its key are kept. */
export function developmentPaths(directory: string): { cert: string; key: string } {
  return { cert: join(directory, "dev-cert.pem"), key: join(directory, "dev-key.pem") };
}

/**
 * The certificate in the directory if it is valid for 2 more days, belongs to its key and covers all names; else
 * `current` under the same conditions, else a new one. The result is written to the directory. When that fails, it
 * stays in memory and `notKept` says why.
 */
export async function developmentCertificate(
  options: DevelopmentOptions,
  now: number = Date.now(),
  current?: Certificate,
): Promise<DevelopmentCertificate> {
  const { directory } = options;
  const names = [...new Set([...LOCAL_NAMES, ...options.names ?? []])];
  const kept = await readKept(directory, names, now);
  if (kept) return { certificate: kept, made: false };
  const made = current === undefined || !isGood(current, names, now);
  const certificate = made ? await makeDevelopmentCertificate(names, now) : current;
  try {
    await keep(directory, certificate);
  } catch (error) {
    return { certificate, made, notKept: error instanceof Error ? error.message : String(error) };
  }
  // Another process may have written at the same time: both should serve what is on disk now.
  return { certificate: await readKept(directory, names, now) ?? certificate, made };
}

/** Makes a certificate: ECDSA on P-256, 13 days from `now`, self-signed, for `names`. */
export async function makeDevelopmentCertificate(
  names: readonly string[],
  now: number = Date.now(),
): Promise<Certificate> {
  const made = await selfSignedCertificate({
    names,
    commonName: "Skein development",
    notBefore: now - BACKDATED,
    lifetime: DEVELOPMENT_LIFETIME,
  });
  return parseCertificate(made.cert, made.key, { now });
}

async function readKept(
  directory: string,
  names: readonly string[],
  now: number,
): Promise<Certificate | undefined> {
  const { cert, key } = developmentPaths(directory);
  try {
    const certificate = parseCertificate(await Deno.readTextFile(cert), await Deno.readTextFile(key), {
      now,
    });
    return isGood(certificate, names, now) ? certificate : undefined;
  } catch {
    return undefined;
  }
}

function isGood(certificate: Certificate, names: readonly string[], now: number): boolean {
  return certificate.hashUsable && certificate.notAfter - now > RENEW_BEFORE &&
    names.every((name) => coversHost(certificate.names, name));
}

async function keep(directory: string, certificate: Certificate): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  const paths = developmentPaths(directory);
  await replace(paths.key, certificate.key, 0o600);
  await replace(paths.cert, certificate.cert, 0o644);
}

/** Writes a temporary file and renames it, so that nobody reads half of it. */
async function replace(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    await Deno.writeTextFile(temporary, text, { mode, createNew: true });
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

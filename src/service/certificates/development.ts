/**
 * The development certificate: made here, for this machine, short enough for browsers to accept its hash.
 *
 * @module
 */

import { join } from "node:path";
import { type Certificate, coversHost, parseCertificate } from "./certificate.ts";

const DAY = 86_400_000;
/** Life of a development certificate, below the 14 days that browsers allow. */
export const DEVELOPMENT_LIFETIME = 13 * DAY;
/** A certificate with less than this left is made anew. */
export const RENEW_BEFORE = 2 * DAY;
/** It begins a little in the past, for clocks that are behind. */
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

/** A development certificate and how it came about. */
export interface DevelopmentCertificate {
  readonly certificate: Certificate;
  /** Whether it was made just now. */
  readonly made: boolean;
  /** Why it could not be kept; then the next start makes another, with another hash. */
  readonly notKept?: string;
}

/** Where the certificate and its key are kept. */
export function developmentPaths(directory: string): { cert: string; key: string } {
  return { cert: join(directory, "dev-cert.pem"), key: join(directory, "dev-key.pem") };
}

/**
 * The certificate in the directory if it still has 2 days, belongs to its key and is for all names; else `current` if
 * that is as good, else a new one; either is then kept there. A directory that cannot be written leaves it in
 * memory (`notKept`).
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
  // Another process may have written at the same time; what lies there now is what both should serve.
  return { certificate: await readKept(directory, names, now) ?? certificate, made };
}

/** Makes a certificate: ECDSA on P-256, 13 days from `now`, self-signed, for `names`. */
export async function makeDevelopmentCertificate(
  names: readonly string[],
  now: number = Date.now(),
): Promise<Certificate> {
  // Only here: loading it costs more than the rest of a start together, and most starts need none.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const serial = crypto.getRandomValues(new Uint8Array(8));
  // A serial number is positive (RFC 5280 §4.1.2.2).
  serial[0] = (serial[0]! & 0x7f) | 0x01;
  const notBefore = new Date(now - BACKDATED);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toHex(),
    name: "CN=Skein development",
    notBefore,
    notAfter: new Date(notBefore.getTime() + DEVELOPMENT_LIFETIME),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isAddress(value) ? "ip" as const : "dns" as const, value })),
      ),
    ],
  });
  const key = x509.PemConverter.encode(
    await crypto.subtle.exportKey("pkcs8", keys.privateKey),
    "PRIVATE KEY",
  );
  return parseCertificate(made.toString("pem"), key, { now });
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

/** Writes beside the file and renames, so that nobody reads half of it. */
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

function isAddress(name: string): boolean {
  return name.includes(":") || /^\d+(\.\d+){3}$/.test(name);
}

/**
 * A certificate from two files, or from PEM given inline.
 *
 * @module
 */

import { type Certificate, CertificateError, parseCertificate } from "./certificate.ts";

/** A certificate and its key: each a path, or PEM. */
export interface CertificateLocation {
  readonly cert: string;
  readonly key: string;
}

/** Largest file that is read, in bytes. */
const MAX_FILE = 1024 * 1024;

/** Whether `material` is PEM and not a path. */
export function isInline(material: string): boolean {
  return material.includes("-----BEGIN");
}

/** Reads and checks a certificate. Rejects with CertificateError, whose message is one line. */
export async function loadCertificate(
  location: CertificateLocation,
  now: number = Date.now(),
): Promise<Certificate> {
  // One after the other: otherwise a read could still be running after the other has failed.
  const cert = await material(location.cert, "certificate");
  const key = await material(location.key, "key");
  return parseCertificate(cert, key, {
    certName: isInline(location.cert) ? "the certificate" : location.cert,
    keyName: isInline(location.key) ? "the key" : location.key,
    now,
  });
}

async function material(value: string, what: string): Promise<string> {
  if (isInline(value)) return value;
  try {
    const { size, isDirectory } = await Deno.stat(value);
    if (isDirectory) throw new CertificateError(`${what} ${value}: a directory, not a file`);
    if (size > MAX_FILE) throw new CertificateError(`${what} ${value}: ${size} bytes, at most ${MAX_FILE}`);
    return await Deno.readTextFile(value);
  } catch (cause) {
    if (cause instanceof CertificateError) throw cause;
    throw new CertificateError(`${what} ${value}: ${reason(cause)}`, { cause });
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "may not be read";
  if (error instanceof Deno.errors.NotCapable) return "reading it is not among the program's permissions";
  return error instanceof Error ? error.message : String(error);
}

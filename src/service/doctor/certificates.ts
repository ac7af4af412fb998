/**
 * Whether the configured certificates can be served, for which names, and for how long.
 *
 * @module
 */

import {
  type Certificate,
  type CertificateLocation,
  coversHost,
  developmentPaths,
  isInline,
  loadCertificate,
  RENEW_BEFORE,
} from "../certificates/mod.ts";
import { fail, type Finding, ok, sentence, warn } from "./check.ts";

const DAY = 86_400_000;
const EXPIRES_SOON = 7 * DAY;

/** Judges a certificate of one's own. `host`: under which name clients will ask for it, where that is known. */
export async function checkCertificate(
  location: CertificateLocation,
  host: string | undefined,
  now: number,
): Promise<Finding> {
  let certificate: Certificate;
  try {
    certificate = await loadCertificate(location, now);
  } catch (error) {
    return fail(`${sentence(error)}.`, "Give a certificate chain and its key, as paths or as PEM.");
  }
  const about = describe(certificate, now);
  const [oddity] = certificate.warnings;
  if (host !== undefined && !coversHost(certificate.names, host)) {
    return fail(
      `It is for ${certificate.names.join(", ") || "no name"}, but clients are told to use ${host}.`,
      `Get a certificate that names ${host}, or change the public URL.`,
    );
  }
  if (certificate.notAfter - now < EXPIRES_SOON) {
    return warn(`It ends soon. ${about}`, "Renew it; a new file is served without a restart.");
  }
  if (oddity !== undefined) {
    return warn(`${capital(oddity)}. ${about}`, "Put the leaf first, each issuer after it.");
  }
  const mode = await modeOf(location.key);
  if (mode !== undefined && (mode & 0o004) !== 0) {
    return warn(`Everybody on this machine may read ${location.key}. ${about}`, `chmod 600 ${location.key}`);
  }
  return ok(about);
}

/** Judges the place of the development certificate. Makes and changes nothing. */
export async function checkDevelopment(directory: string, now: number): Promise<Finding> {
  const paths = developmentPaths(directory);
  try {
    const certificate = await loadCertificate(paths, now);
    if (certificate.notAfter - now > RENEW_BEFORE) {
      return ok(`Development certificate: ${describe(certificate, now)}`);
    }
    return ok("The development certificate is about to end; the next start makes a new one.");
  } catch (error) {
    const missing = await Promise.all(Object.values(paths).map(absent));
    return missing.every(Boolean)
      ? ok(`The first start makes a development certificate in ${directory}.`)
      : ok(`The next start makes a new development certificate: ${sentence(error)}.`);
  }
}

function describe(certificate: Certificate, now: number): string {
  const days = Math.floor((certificate.notAfter - now) / DAY);
  const left = days === 0 ? "less than a day" : days === 1 ? "1 day" : `${days} days`;
  const hash = certificate.hashUsable
    ? "browsers accept it by its hash"
    : "browsers accept it only from an authority they trust";
  return `For ${certificate.names.join(", ")}; ${left} left; ${hash}.`;
}

async function modeOf(key: string): Promise<number | undefined> {
  if (isInline(key)) return undefined;
  return (await Deno.stat(key)).mode ?? undefined;
}

async function absent(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * Checks of browser origins and of requests from this machine. Access is granted by tokens and keys, never by cookies;
 * these checks protect what is open without either.
 *
 * @module
 */

import type { RequestSource } from "./deps.ts";

/** `hostname` of a URL or of a `Host` field, in lower case and without a port; undefined when it is neither. */
function hostnameOf(text: string): string | undefined {
  try {
    const url = new URL(text.includes("://") ? text : `http://${text}`);
    return url.hostname.toLowerCase();
  } catch {
    return undefined;
  }
}

/**
 * Whether a page of `origin` may connect. Programs send no origin (`undefined` or null) and may. `authority` is the host
 * that the client asked for (`Host`, `:authority`); pages of that host may connect from any port, because the page and
 * WebTransport have different ports. `allowed` holds origins, `*` for any, and `https://*.example.com` for all below it.
 */
export function originAllowed(
  origin: string | null | undefined,
  allowed: readonly string[],
  authority: string | undefined,
): boolean {
  if (origin === null || origin === undefined) return true;
  return listed(origin, allowed) || sameHost(origin, authority);
}

/** What an origin looks like: no path, no slash at the end. */
export const ORIGIN = /^(\*|null|[A-Za-z][A-Za-z0-9+.-]*:\/\/[^\s/?#@\\]+)$/;

/**
 * A configured origin in the form in which browsers send it: lower case, without the default port, names in Punycode.
 * `undefined` for what no browser sends. A star may stand for the first labels of a name.
 */
export function normalOrigin(text: string): string | undefined {
  if (text === "*" || text === "null") return text;
  if (!ORIGIN.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host } = new URL(text);
  const isName = /^[a-z0-9.:\[\]_-]+$/.test(host.replace(/^\*\./, ""));
  return isName ? `${protocol}//${host}` : undefined;
}

/** Whether `origin` is named in `allowed`. */
export function listed(origin: string, allowed: readonly string[]): boolean {
  const given = origin.toLowerCase();
  return allowed.some((entry) => {
    const pattern = entry.toLowerCase();
    if (pattern === "*" || pattern === given) return true;
    const star = pattern.indexOf("*.");
    if (star < 0) return false;
    const head = pattern.slice(0, star), tail = pattern.slice(star + 1);
    const middle = given.slice(head.length, given.length - tail.length);
    return given.length > head.length + tail.length && given.startsWith(head) && given.endsWith(tail) &&
      /^[a-z0-9.-]+$/.test(middle);
  });
}

/** Whether `origin` has the host that was asked for, on any port. */
export function sameHost(origin: string, authority: string | undefined): boolean {
  if (authority === undefined) return false;
  const host = hostnameOf(origin);
  return host !== undefined && origin.includes("://") && host === hostnameOf(authority);
}

/** Whether a host name or `host:port` can only mean this machine. */
export function isLoopbackHost(authority: string): boolean {
  const host = hostnameOf(authority);
  return host !== undefined &&
    (host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(\.\d+){3}$/.test(host));
}

/**
 * Whether a request without a key comes from this machine: from a client that is here, to a name of this machine, and not
 * from a page of another site. The name is checked because another site can point its own name to this address.
 */
export function isLocalRequest(request: Request, { local, authority }: RequestSource): boolean {
  if (!local || authority === undefined || !isLoopbackHost(authority)) return false;
  return !isCrossSite(request, authority);
}

/** Whether a browser says that a page of another site sent this. */
export function isCrossSite(request: Request, authority: string | undefined): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site === "cross-site" || site === "same-site") return true;
  const origin = request.headers.get("origin");
  return origin !== null && !sameHost(origin, authority);
}

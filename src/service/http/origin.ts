/**
 * Who may come from where: origins of browsers, and requests of this machine. Access rests on tokens and keys,
 * never on cookies; these checks are for what is open without either.
 *
 * @module
 */

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
 * Whether a browser's `Origin` may connect. Programs send none (`undefined` or null): they may. `authority` is what
 * the client asked for (`Host`, `:authority`): the own host may on any port, because the page and WebTransport
 * are on different ones. `allowed` holds origins, `*` for any, and `https://*.example.com` for any below it.
 */
export function originAllowed(
  origin: string | null | undefined,
  allowed: readonly string[],
  authority: string | undefined,
): boolean {
  if (origin === null || origin === undefined) return true;
  return listed(origin, allowed) || sameHost(origin, authority);
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

/** Whether `origin` is of the host that was asked for, on whatever port. */
export function sameHost(origin: string, authority: string | undefined): boolean {
  if (authority === undefined) return false;
  const host = hostnameOf(origin);
  return host !== undefined && origin.includes("://") && host === hostnameOf(authority);
}

/** Whether an IP address is of this machine. */
export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127.");
}

/** Whether a host name or `host:port` can only mean this machine. */
export function isLoopbackHost(authority: string): boolean {
  const host = hostnameOf(authority);
  return host !== undefined &&
    (host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(\.\d+){3}$/.test(host));
}

/**
 * Whether a request without a key is really of somebody at this machine: from a loopback address, under a
 * name of this machine (a page of another site whose name was pointed here sends its own), and not sent by
 * another site's page.
 */
export function isLocalRequest(request: Request, remote: string, authority: string | undefined): boolean {
  if (!isLoopback(remote) || authority === undefined || !isLoopbackHost(authority)) return false;
  return !isCrossSite(request, authority);
}

/** Whether a browser says that another site's page sent this. */
export function isCrossSite(request: Request, authority: string | undefined): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site === "cross-site" || site === "same-site") return true;
  const origin = request.headers.get("origin");
  return origin !== null && !sameHost(origin, authority);
}

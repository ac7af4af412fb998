/**
 * Where a key set may be fetched.
 *
 * @module
 */

/**
 * Why keys may not be fetched from `url`, or undefined when they may: whoever can change what comes over plain HTTP can
 * sign tokens, so that is for this machine alone.
 */
export function jwksUrlProblem(url: string): string | undefined {
  const { protocol, hostname } = URL.canParse(url) ? new URL(url) : { protocol: "", hostname: "" };
  if (protocol === "https:") return undefined;
  if (protocol !== "http:") return "an https URL, or an http URL of this machine";
  return isLoopback(hostname) ? undefined : "plain http to another machine is not allowed; must be https";
}

/** RFC 1122 §3.2.1.3, RFC 4291 §2.5.3, RFC 6761 §6.3; `hostname` as `URL` writes it. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

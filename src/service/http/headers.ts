/**
 * Header fields that every answer has.
 *
 * @module
 */

const policy = (connect: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src ${connect}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");

// The page dials other ports and schemes of its host (WebTransport, WebSocket), whose URLs the
// configuration may change: any secure one and any WebSocket is allowed.
const CONTENT_SECURITY_POLICY = policy("'self' https: wss: ws:");
/** The Content-Security-Policy of a page that asks its own host alone. */
export const OWN_HOST_POLICY: string = policy("'self'");

const FIELDS: readonly (readonly [string, string])[] = [
  ["content-security-policy", CONTENT_SECURITY_POLICY],
  ["x-content-type-options", "nosniff"],
  ["x-frame-options", "DENY"],
  ["referrer-policy", "no-referrer"],
  ["cross-origin-opener-policy", "same-origin"],
];

/** The fields of every answer that a page of the same origin alone may read. */
export const SECURITY_FIELDS: readonly (readonly [string, string])[] = [
  ...FIELDS,
  ["cross-origin-resource-policy", "same-origin"],
];

/** Sets them on an answer, except those that the answer has already. */
export function setSecurityHeaders(headers: Headers): void {
  for (const [name, value] of FIELDS) if (!headers.has(name)) headers.set(name, value);
  if (!headers.has("cross-origin-resource-policy") && !headers.has("access-control-allow-origin")) {
    headers.set("cross-origin-resource-policy", "same-origin");
  }
}

/**
 * Request and response messages (RFC 9114 §4): field lines are checked and turned into objects, and back.
 *
 * @module
 */

import { MessageError } from "./errors.ts";
import type { FieldLine } from "./qpack.ts";

/** A request's header section, checked. */
export interface RequestHead {
  readonly method: string;
  /** Absolute, made of `:scheme`, `:authority` (or `host`) and `:path`. */
  readonly url: URL;
  /** `:protocol` of an extended CONNECT. */
  readonly protocol: string | undefined;
  /** Names in lower case; repeated ones joined with ", " (cookies with "; "). */
  readonly headers: ReadonlyMap<string, string>;
}

const PSEUDO = new Set([":method", ":scheme", ":authority", ":path", ":protocol"]);
/** Connection-specific fields have no place in HTTP/3 (RFC 9114 §4.2). */
const FORBIDDEN = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;

function malformed(message: string): MessageError {
  return new MessageError(400, message);
}

/** Checks a request's field lines. Throws MessageError 400 when they are malformed. */
export function parseRequest(lines: Iterable<FieldLine>): RequestHead {
  const pseudo = new Map<string, string>();
  const headers = new Map<string, string>();
  for (const [name, value] of lines) {
    if (BAD_VALUE.test(value)) throw malformed(`bad value of ${name}`);
    if (name.startsWith(":")) {
      if (!PSEUDO.has(name) || pseudo.has(name) || headers.size > 0) {
        throw malformed(`bad pseudo-header ${name}`);
      }
      pseudo.set(name, value);
      continue;
    }
    if (!TOKEN.test(name)) throw malformed("bad field name");
    if (FORBIDDEN.has(name) || (name === "te" && value !== "trailers")) {
      throw malformed(`field ${name} not allowed`);
    }
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`);
  }
  const method = pseudo.get(":method");
  if (method === undefined || !METHOD.test(method)) throw malformed("no method");
  const protocol = pseudo.get(":protocol");
  if (protocol !== undefined && method !== "CONNECT") throw malformed(":protocol without CONNECT");
  if (method === "CONNECT" && protocol === undefined) throw new MessageError(501, "plain CONNECT");
  return { method, url: parseUrl(pseudo, headers), protocol, headers };
}

function parseUrl(pseudo: ReadonlyMap<string, string>, headers: ReadonlyMap<string, string>): URL {
  const scheme = pseudo.get(":scheme");
  const path = pseudo.get(":path");
  const authority = pseudo.get(":authority") ?? headers.get("host");
  if (scheme !== "https" && scheme !== "http") throw malformed("bad scheme");
  if (!authority || /[/?#@\\\s]/.test(authority)) throw malformed("bad authority");
  if (path === undefined || !path.startsWith("/")) throw malformed("bad path");
  try {
    return new URL(`${scheme}://${authority}${path}`);
  } catch {
    throw malformed("bad URL");
  }
}

/** Field lines of a response: status first, connection-specific fields left out. */
export function responseLines(status: number, headers: Iterable<readonly [string, string]>): FieldLine[] {
  const lines: FieldLine[] = [[":status", String(status)]];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (!FORBIDDEN.has(lower)) lines.push([lower, value]);
  }
  return lines;
}

/** Field lines of the CONNECT request for a WebTransport session. Throws TypeError on a field that may not be sent. */
export function sessionRequestLines(
  url: URL,
  headers: Iterable<readonly [string, string]>,
): FieldLine[] {
  const lines: FieldLine[] = [
    [":method", "CONNECT"],
    [":scheme", "https"],
    [":authority", url.host],
    [":path", url.pathname + url.search],
    [":protocol", "webtransport"],
    // Servers of draft 02 ask for this field.
    ["sec-webtransport-http3-draft02", "1"],
  ];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (!TOKEN.test(lower) || FORBIDDEN.has(lower) || BAD_VALUE.test(value)) {
      throw new TypeError(`not a header field to send: ${name}`);
    }
    lines.push([lower, value]);
  }
  return lines;
}

/** Checks a response's field lines. Throws MessageError when they are malformed. */
export function parseResponse(lines: Iterable<FieldLine>): { status: number } {
  let status: number | undefined;
  for (const [name, value] of lines) {
    if (!name.startsWith(":")) continue;
    if (name !== ":status" || status !== undefined || !/^[1-5]\d\d$/.test(value)) {
      throw malformed(`bad pseudo-header ${name}`);
    }
    status = Number(value);
  }
  if (status === undefined) throw malformed("no status");
  return { status };
}

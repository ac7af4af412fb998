/**
 * Who a request comes from when proxies stand between: `Forwarded` (RFC 7239), `X-Forwarded-For`, `X-Forwarded-Proto` and
 * `X-Forwarded-Host`. Anybody can send these fields, so they count only when a trusted proxy did.
 *
 * @module
 */

import { isIP } from "node:net";
import { type AddressList, isLoopback, plainAddress } from "./addresses.ts";
import type { RequestInfo, RequestSource } from "./deps.ts";

/** Fields that proxies add. A request with one of them has not come straight from its client. */
const PROXY_FIELDS = [
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-server",
  "x-real-ip",
  "x-client-ip",
  "true-client-ip",
  "cf-connecting-ip",
];
/** Hops that are looked at. */
const MAX_HOPS = 32;
/** Characters of a field that are read. */
const MAX_FIELD = 4096;

/** Finds out where a request comes from. `trusted` are the proxies whose word is taken. */
export function sourceOf(request: Request, info: RequestInfo, trusted: AddressList): RequestSource {
  const { headers } = request;
  const { hostname, port } = info.remoteAddr;
  const peer = plainAddress(hostname);
  const host = headers.get("host");
  const asked = host === null ? hostOf(authorityOf(request.url)) : hostOf(host);
  const overTls = request.url.startsWith("https:");
  if (!trusted.has(peer)) {
    // A proxy that adds no field at all still shows by the version: nginx asks by HTTP/1.0 unless it is told otherwise.
    const direct = info.httpVersion !== "1.0" && !PROXY_FIELDS.some((name) => headers.has(name));
    return { address: peer, port, secure: overTls, authority: asked, local: direct && isLoopback(peer) };
  }
  const said = forwardedBy(headers, trusted);
  return {
    address: said.hop?.address ?? peer,
    port: said.hop?.port ?? (said.hop === undefined ? port : 0),
    secure: said.secure ?? overTls,
    authority: hostOf(said.host) ?? asked,
    // Who asks through a proxy is not at this machine as far as access goes, wherever the client is.
    local: false,
  };
}

interface Hop {
  readonly address: string;
  readonly port: number | undefined;
}

interface Said {
  readonly hop: Hop | undefined;
  readonly secure: boolean | undefined;
  readonly host: string | null | undefined;
}

function forwardedBy(headers: Headers, trusted: AddressList): Said {
  const standard = headers.get("forwarded"), usual = headers.get("x-forwarded-for");
  const elements = standard === null ? undefined : parseForwarded(standard);
  const byStandard = elements && clientHop(elements.map((element) => parseHop(element.get("for"))), trusted);
  const byUsual = usual === null ? undefined : clientHop(listOf(usual).map(parseHop), trusted);
  // Most proxies set one of the two and pass the other on as the client sent it. When they disagree, one is forged.
  const agree = standard === null || usual === null || byStandard?.address === byUsual?.address;
  const first = elements?.[0];
  const proto = headers.get("x-forwarded-proto");
  return {
    hop: agree ? byStandard ?? byUsual : undefined,
    secure: isSecure(proto === null ? first?.get("proto") : listOf(proto)[0]),
    host: headers.get("x-forwarded-host")?.split(",")[0]?.trim() ?? first?.get("host"),
  };
}

/**
 * The client's hop. Each proxy adds the address of its peer at the end, so the list is read from there: past trusted
 * proxies to the first address that is none, or to the first of the list. What cannot be read ends the walk.
 */
function clientHop(hops: readonly (Hop | undefined)[], trusted: AddressList): Hop | undefined {
  let known: Hop | undefined;
  for (const hop of hops.slice(-MAX_HOPS).reverse()) {
    if (hop === undefined) break;
    known = hop;
    if (!trusted.has(hop.address)) break;
  }
  return known;
}

/** An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`. */
function parseHop(text: string | undefined): Hop | undefined {
  if (text === undefined) return undefined;
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?$/.exec(text);
  const [, host = text, port] = bracketed ?? /^([\d.]+):(\d{1,5})$/.exec(text) ?? [];
  if (isIP(host) === 0 || host.includes("%")) return undefined;
  return { address: plainAddress(host.toLowerCase()), port: port === undefined ? undefined : Number(port) };
}

function listOf(field: string): string[] {
  return field.slice(-MAX_FIELD).split(",").map((item) => item.trim());
}

/** The elements of a `Forwarded` field (RFC 7239 §4), names in lower case. One that is malformed is empty. */
function parseForwarded(field: string): Map<string, string>[] {
  return splitUnquoted(field.slice(-MAX_FIELD), ",").map((element) => {
    const pairs = new Map<string, string>();
    for (const pair of splitUnquoted(element, ";")) {
      const [, name, quoted, token] = /^([A-Za-z]+)=(?:"(.*)"|([^\s"]+))$/.exec(pair.trim()) ?? [];
      if (name === undefined) return new Map<string, string>();
      pairs.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? token!);
    }
    return pairs;
  });
}

/** Splits at separators outside of quotes. */
function splitUnquoted(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0, quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted && character === "\\") at++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === separator) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function isSecure(proto: string | undefined): boolean | undefined {
  switch (proto?.toLowerCase()) {
    case "https":
    case "wss":
      return true;
    case "http":
    case "ws":
      return false;
    default:
      return undefined;
  }
}

function authorityOf(url: string): string | null {
  return /^[a-z]+:\/\/([^/?#]*)/i.exec(url)?.[1] ?? null;
}

/** The host of the request before: a back end asks for the same one thousands of times a second. */
let known: { readonly field: string | null | undefined; readonly host: string | undefined } | undefined;

/** A `Host` field in its normal form; undefined when it is none. */
function hostOf(field: string | null | undefined): string | undefined {
  if (known === undefined || known.field !== field) known = { field, host: parseHost(field) };
  return known.host;
}

function parseHost(field: string | null | undefined): string | undefined {
  if (field === null || field === undefined || /[\s/?#@\\]/.test(field)) return undefined;
  try {
    return new URL(`http://${field}`).host || undefined;
  } catch {
    return undefined;
  }
}

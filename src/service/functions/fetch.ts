/**
 * What functions fetch: from hosts that the configuration grants to each, by way of requests that cannot be led elsewhere.
 *
 * @module
 */

import type { BodyReader, IncomingResponse, OutgoingRequest } from "../../functions/mod.ts";
import { type OutboundAnswer, OutboundClient } from "../../net/mod.ts";
import type { FunctionsConfig } from "./settings.ts";

type Grant = FunctionsConfig["functions"]["grants"][string];

/** Most bytes of an answer. */
const MAX_ANSWER = 16 * 1024 * 1024;
const MAX_REDIRECTS = 5;
/** What belongs to the connection, not to the request; and a coding that nobody here would take off again. */
const OWN_HEADERS = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** What is meant for the host that was asked, and not for another one to which that redirects. */
const FOR_ONE_HOST = new Set(["authorization", "cookie", "proxy-authorization", "x-api-key"]);

/** Makes the requests of functions. */
export class FunctionFetch {
  readonly #public = new OutboundClient();
  readonly #private = new OutboundClient({ allowPrivate: true });

  /** Makes a request within `timeout` milliseconds, redirections and the reading of its answer included. */
  async fetch(
    grant: Grant | undefined,
    { url: first, method: asked, headers, body: given, redirect }: OutgoingRequest,
    timeout: number,
    signal: AbortSignal,
  ): Promise<IncomingResponse> {
    let url = urlOf(first);
    let method = asked.toUpperCase();
    let body: Uint8Array | undefined = given.length > 0 ? given : undefined;
    let sent = headers.filter(([name]) => !OWN_HEADERS.has(name.toLowerCase()));
    for (let hops = 0;; hops++) {
      const client = this.#clientFor(grant, url);
      const answer = await client.open({
        url,
        method,
        headers: Object.fromEntries(sent),
        body,
        timeout,
        maxAnswer: MAX_ANSWER,
        signal,
      });
      const target = locationOf(answer);
      if (target === undefined || redirect === "manual") return responseOf(url, answer);
      await discard(answer);
      if (redirect === "error") throw new Error(`${url.hostname}: it redirects`);
      if (hops === MAX_REDIRECTS) throw new Error(`${url.hostname}: more than ${MAX_REDIRECTS} redirections`);
      const next = urlOf(target, url);
      if (next.origin !== url.origin) sent = sent.filter(([name]) => !FOR_ONE_HOST.has(name.toLowerCase()));
      if (answer.status < 307 && method !== "HEAD") {
        method = "GET";
        body = undefined;
        sent = sent.filter(([name]) => !name.toLowerCase().startsWith("content-"));
      }
      url = next;
    }
  }

  /** Ends all connections. */
  close(): void {
    this.#public.close();
    this.#private.close();
  }

  #clientFor(grant: Grant | undefined, url: URL): OutboundClient {
    const named = (entries: readonly string[] = []) => entries.some((entry) => matchesHost(entry, url));
    if (named(grant?.privateHosts)) return this.#private;
    if (named(grant?.hosts)) return this.#public;
    throw new Error(`${url.host}: this host is not granted to the function (functions.grants)`);
  }
}

function urlOf(text: string, base?: URL): URL {
  if (!URL.canParse(text, base)) throw new Error("not a URL");
  const url = new URL(text, base);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new Error("only http and https");
  if (url.username !== "" || url.password !== "") {
    throw new Error("a URL with a user or password: use the header authorization");
  }
  // "api.example.org." is the same host.
  url.hostname = url.hostname.replace(/\.$/, "");
  return url;
}

/** Whether an entry such as `api.example.org`, `*.example.org` or `[::1]:8080`names the host of a URL. */
function matchesHost(entry: string, { hostname, port }: URL): boolean {
  const parts = /^(\*\.)?(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry);
  if (parts === null) return false;
  const [, wild, name, own = ""] = parts;
  // The port of a URL is empty when it is the usual one of its scheme.
  if (own !== port && !(port === "" && (own === "443" || own === "80"))) return false;
  return wild === undefined ? hostname === name : hostname.endsWith(`.${name}`);
}

function locationOf({ status, headers }: OutboundAnswer<unknown>): string | undefined {
  return [301, 302, 303, 307, 308].includes(status) ? headers.get("location") : undefined;
}

async function discard({ body }: OutboundAnswer<AsyncIterable<Uint8Array>>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}

function responseOf(url: URL, answer: OutboundAnswer<AsyncIterable<Uint8Array>>): IncomingResponse {
  const pieces = answer.body[Symbol.asyncIterator]();
  const body: BodyReader = {
    async read() {
      const { done, value } = await pieces.next();
      // A copy: what the runtime gives may be a part of a larger buffer.
      return done ? { done: true } : { done: false, value: new Uint8Array(value) };
    },
    async cancel() {
      await pieces.return?.();
    },
  };
  const headers = [...answer.headers].filter(([name]) =>
    name !== "transfer-encoding" && name !== "connection"
  );
  // A response with such a status has no body, and is not to be made with one.
  const empty = [204, 205, 304].includes(answer.status);
  return { url: url.href, status: answer.status, headers, body: empty ? undefined : body };
}

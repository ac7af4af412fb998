/**
 * HTTP requests to servers that the configuration names: bounded in time and size, to public addresses alone unless that
 * is granted, and never redirected.
 *
 * A name is resolved and checked, and the connection goes to an address that was checked: a name that leads elsewhere a
 * moment later (DNS rebinding) changes nothing. Of several addresses the next one is tried when one does not connect.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import {
  Agent as HttpAgent,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { TcpNetConnectOpts } from "node:net";
import { untilAborted } from "../async/deadline.ts";
import { isAddress, isPublicAddress } from "./addresses.ts";

/** Why a request came to nothing. */
export type OutboundFailure =
  /** The address is not a public one, and that was not granted. */
  | "private_address"
  /** The name has no address. */
  | "unresolved"
  /** No connection, or it broke. */
  | "unreachable"
  /** Not done in time. */
  | "timeout"
  /** The answer is larger than allowed. */
  | "too_large"
  /** The caller gave up. */
  | "aborted";

/** A request that came to nothing. The message holds no part of the URL but its host. */
export class OutboundError extends Error {
  override readonly name = "OutboundError";
  readonly failure: OutboundFailure;

  constructor(failure: OutboundFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** How requests are made. */
export interface OutboundOptions {
  /** Addresses of private networks and of this machine may be connected to. @default false */
  readonly allowPrivate?: boolean;
  /** Connections to one server; requests beyond them wait. @default 64 */
  readonly maxConnections?: number;
  /** Authorities to trust in place of the runtime's, in PEM. @default the runtime's */
  readonly caCerts?: readonly string[];
  /** All addresses of a name. @default the machine's resolver */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
}

/** A request. */
export interface OutboundRequest {
  /** `http:` or `https:`. */
  readonly url: string | URL;
  /** @default "GET" */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | undefined;
  /** Milliseconds until the answer has come whole. */
  readonly timeout: number;
  /** Bytes of the answer's body. */
  readonly maxAnswer: number;
  /** Ends the request. */
  readonly signal?: AbortSignal | undefined;
}

/** What a server answered; a redirection is an answer like others. */
export interface OutboundAnswer<B = Uint8Array<ArrayBuffer>> {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: B;
}

/** Milliseconds that one of several addresses has to connect. */
const ATTEMPT = 1000;
/** Bytes of the headers of an answer. */
const MAX_HEADERS = 16_384;

/** Makes requests; keeps connections to use them again. */
export class OutboundClient {
  readonly #options: OutboundOptions;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;
  /** Ends each request under way. */
  readonly #underway = new Set<() => void>();
  #closed = false;

  constructor(options: OutboundOptions = {}) {
    this.#options = options;
    const { maxConnections: maxSockets = 64, caCerts } = options;
    const agent = { keepAlive: true, maxSockets, maxFreeSockets: 8 };
    this.#http = new HttpAgent(agent);
    this.#https = new HttpsAgent(caCerts === undefined ? agent : { ...agent, ca: [...caCerts] });
  }

  /** Makes a request; resolves when the answer has come whole. Rejects with OutboundError. */
  async request(request: OutboundRequest): Promise<OutboundAnswer> {
    const { body, ...answer } = await this.open(request);
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part);
    return { ...answer, body: await new Blob(parts as Uint8Array<ArrayBuffer>[]).bytes() };
  }

  /**
   * Makes a request; resolves when the head of the answer has come. The body has to be read to its end or given up by
   * ending its iteration; it throws OutboundError as well. Rejects with OutboundError.
   */
  async open(request: OutboundRequest): Promise<OutboundAnswer<AsyncIterable<Uint8Array>>> {
    const url = new URL(request.url);
    const over = new AbortController();
    const { signal, timeout } = request;
    const fail = (failure: OutboundFailure, message: string) =>
      over.abort(new OutboundError(failure, `${url.hostname}: ${message}`));
    const aborted = () => fail("aborted", "given up");
    if (this.#closed) throw new OutboundError("aborted", `${url.hostname}: the client is closed`);
    this.#underway.add(aborted);
    const timer = setTimeout(() => fail("timeout", `no answer within ${timeout} ms`), timeout);
    const release = () => {
      clearTimeout(timer);
      this.#underway.delete(aborted);
      signal?.removeEventListener("abort", aborted);
    };
    signal?.addEventListener("abort", aborted);
    if (signal?.aborted) aborted();
    try {
      const addresses = await untilAborted(this.#addressesOf(url), over.signal);
      const answer = await this.#send(url, request, addresses, over.signal);
      return {
        status: answer.statusCode ?? 0,
        headers: headersOf(answer),
        body: droppable(bounded(answer, request.maxAnswer, url.hostname, over.signal, release), () => {
          release();
          answer.destroy();
        }),
      };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Ends all connections. Requests under way and later ones are `aborted`. */
  close(): void {
    this.#closed = true;
    for (const abort of this.#underway) abort();
    this.#http.destroy();
    this.#https.destroy();
  }

  /** The addresses to connect to, which were checked; one at least. */
  async #addressesOf(url: URL): Promise<readonly string[]> {
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw new OutboundError("unreachable", `${url.hostname}: neither http nor https`);
    }
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const { allowPrivate = false, resolve = resolveName } = this.#options;
    let addresses: readonly string[] = [host];
    if (!isAddress(host)) {
      addresses = await resolve(host).catch((cause) => {
        throw new OutboundError("unresolved", `${host}: has no address`, { cause });
      });
    }
    const usable = allowPrivate ? addresses : addresses.filter(isPublicAddress);
    if (usable.length > 0) return usable;
    throw addresses.length === 0
      ? new OutboundError("unresolved", `${host}: has no address`)
      : new OutboundError("private_address", `${host}: leads to a private address, which is not allowed`);
  }

  #send(
    url: URL,
    request: OutboundRequest,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { method = "GET", headers = {}, body } = request;
    const isTls = url.protocol === "https:";
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const options: RequestOptions & TcpNetConnectOpts = {
      agent: isTls ? this.#https : this.#http,
      host,
      port: url.port === "" ? (isTls ? 443 : 80) : Number(url.port),
      path: url.pathname + url.search,
      method,
      headers: { ...headers, ...bytes === undefined ? {} : { "content-length": `${bytes.length}` } },
      maxHeaderSize: MAX_HEADERS,
      autoSelectFamily: true,
      // An address that swallows packets must leave time for the others.
      autoSelectFamilyAttemptTimeout: Math.max(10, Math.min(ATTEMPT, request.timeout / found.length)),
      // The connection goes where the check looked, whatever the name leads to now.
      lookup: (_name, asked, done) => {
        const { address, family } = found[0]!;
        if (asked.all === true) (done as (error: null, found: unknown) => void)(null, found);
        else (done as (error: null, found: string, family: number) => void)(null, address, family);
      },
    };
    return new Promise((resolve, reject) => {
      const sending = (isTls ? httpsRequest : httpRequest)(options, resolve);
      const broken = (error: unknown) =>
        reject(
          signal.aborted
            ? signal.reason
            : new OutboundError("unreachable", `${host}: ${messageOf(error)}`, { cause: error }),
        );
      sending.on("error", broken);
      signal.addEventListener("abort", () => {
        reject(signal.reason);
        sending.destroy();
      }, { once: true });
      if (signal.aborted) {
        reject(signal.reason);
        sending.destroy();
      } else sending.end(bytes);
    });
  }
}

async function resolveName(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true });
  return found.map(({ address }) => address);
}

/** The body of an answer, until it is too large or too late. */
async function* bounded(
  answer: IncomingMessage,
  most: number,
  host: string,
  signal: AbortSignal,
  release: () => void,
): AsyncGenerator<Uint8Array> {
  let left = most;
  try {
    for await (const part of answer as AsyncIterable<Uint8Array>) {
      left -= part.length;
      if (left < 0) throw new OutboundError("too_large", `${host}: answered with more than ${most} bytes`);
      yield part;
    }
    if (!answer.complete) throw new OutboundError("unreachable", `${host}: the answer is not whole`);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof OutboundError) throw error;
    throw new OutboundError("unreachable", `${host}: ${messageOf(error)}`, { cause: error });
  } finally {
    release();
    // A body that was not read to its end must not hold the connection.
    if (!answer.complete || left < 0) answer.destroy();
  }
}

/** A generator that is ended before its first step runs no `finally`; `drop` stands for it. */
function droppable<T>(generator: AsyncGenerator<T>, drop: () => void): AsyncIterable<T> {
  let begun = false;
  return {
    [Symbol.asyncIterator]: () => ({
      next() {
        begun = true;
        return generator.next();
      },
      return() {
        if (!begun) drop();
        return generator.return(undefined);
      },
    }),
  };
}

function headersOf({ headers }: IncomingMessage): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(headers).map((
      [name, value],
    ) => [name, Array.isArray(value) ? value.join(", ") : value ?? ""]),
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

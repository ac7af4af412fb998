/**
 * Where to dial: the URLs of the options, or what the service says in `/client.json`.
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import { hashOf, type ResolvedOptions } from "./options.ts";

/** Where and how to dial. */
export interface Endpoints {
  readonly quic: URL | undefined;
  readonly websocket: URL | undefined;
  readonly certificateHashes: readonly Uint8Array<ArrayBuffer>[];
}

/** Milliseconds an answer is believed while all goes well. */
const FRESH = 60_000;
/** Milliseconds the service has to answer. */
const TIMEOUT = 5000;

/** Finds the endpoints, and remembers them for when the service cannot be asked. */
export class Discovery {
  readonly #options: ResolvedOptions;
  #known: Endpoints | undefined;
  #askedAt = -Infinity;
  #moved: Partial<Pick<Endpoints, "quic" | "websocket">> = {};

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  /** The server asked to go elsewhere; a path it leaves out is not tried. Holds until `forget`. */
  moveTo(urls: { webtransport?: string; quic?: string; websocket?: string }): void {
    const quic = this.#options.rawQuic || this.#options.quicUrl?.protocol === "quic:"
      ? urls.quic
      : urls.webtransport;
    this.#moved = { quic: parse(quic), websocket: parse(urls.websocket) };
  }

  /** What is known may be out of date: ask anew next time. */
  forget(): void {
    this.#askedAt = -Infinity;
    this.#moved = {};
  }

  /** The endpoints now. Rejects when the service never said and cannot be asked. */
  async find(signal: AbortSignal): Promise<Endpoints> {
    const { quicUrl, websocketUrl, certificateHashes } = this.#options;
    const asked = await this.#ask(signal);
    const known: Endpoints = {
      quic: quicUrl ?? asked?.quic,
      websocket: websocketUrl ?? asked?.websocket,
      certificateHashes: certificateHashes ?? asked?.certificateHashes ?? [],
    };
    return { ...known, ...this.#moved };
  }

  async #ask(signal: AbortSignal): Promise<Endpoints | undefined> {
    const { url, quicUrl, websocketUrl, clock, fetch } = this.#options;
    if (url === undefined || (quicUrl !== undefined && websocketUrl !== undefined)) return undefined;
    if (this.#known !== undefined && clock.now() - this.#askedAt < FRESH) return this.#known;
    const abort = new AbortController();
    try {
      const request = fetch(new URL("/client.json", url), { signal: AbortSignal.any([signal, abort.signal]) })
        .then((response) =>
          response.ok ? response.json() : Promise.reject(new Error(`HTTP ${response.status}`))
        );
      const document = await deadline(request, TIMEOUT, () => new Error(`no answer within ${TIMEOUT} ms`), {
        timers: clock,
      });
      this.#known = this.#read(document);
      this.#askedAt = clock.now();
    } catch (cause) {
      abort.abort();
      signal.throwIfAborted();
      if (this.#known === undefined) throw new Error(`${url.origin}/client.json cannot be had`, { cause });
    }
    return this.#known;
  }

  #read(document: unknown): Endpoints {
    if (typeof document !== "object" || document === null) {
      throw new TypeError("client.json is not an object");
    }
    const { websocketUrl, quicUrl, rawQuicUrl, certificateHashes } = document as Record<string, unknown>;
    const quic = this.#options.rawQuic ? rawQuicUrl : quicUrl;
    return {
      quic: typeof quic === "string" ? new URL(quic) : undefined,
      websocket: typeof websocketUrl === "string" ? new URL(websocketUrl) : undefined,
      certificateHashes: Array.isArray(certificateHashes)
        ? certificateHashes.map((hash) => hashOf(String(hash)))
        : [],
    };
  }
}

function parse(url: string | undefined): URL | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url) : undefined;
}

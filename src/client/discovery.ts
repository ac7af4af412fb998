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
    const { url, quicUrl, websocketUrl, clock } = this.#options;
    if (url === undefined || (quicUrl !== undefined && websocketUrl !== undefined)) return undefined;
    if (this.#known !== undefined && clock.now() - this.#askedAt < FRESH) return this.#known;
    const abort = new AbortController();
    // The document may be below the path of `url`, beside the page that `url` names, or at the root.
    const paths = [url.pathname.replace(/\/*$/, "/client.json"), "client.json", "/client.json"];
    const places = new Set(paths.map((path) => new URL(path, url).href));
    try {
      const asking = this.#tryAll(places, AbortSignal.any([signal, abort.signal]));
      this.#known = await deadline(asking, TIMEOUT, () => new Error(`no answer within ${TIMEOUT} ms`), {
        timers: clock,
      });
      this.#askedAt = clock.now();
    } catch (cause) {
      abort.abort();
      signal.throwIfAborted();
      if (this.#known === undefined) {
        throw new Error(`${[...places].join(", ")}: ${(cause as Error).message}`, { cause });
      }
    }
    return this.#known;
  }

  /** Rejects with what the last place failed of. */
  async #tryAll(places: Iterable<string>, signal: AbortSignal): Promise<Endpoints> {
    let reason: unknown;
    for (const place of places) {
      try {
        const response = await this.#options.fetch(new URL(place), { signal });
        if (!response.ok) throw new Error(`HTTP ${response.status}`);
        // The URL that a redirect led to counts.
        return this.#read(await response.json(), new URL(response.url || place));
      } catch (error) {
        reason = error;
      }
    }
    throw reason;
  }

  /** Reads the document that was found at `base`, whose scheme, host, port and path the client can rely on. */
  #read(document: Record<string, unknown>, base: URL): Endpoints {
    const { websocketUrl, websocketPath, quicUrl, rawQuicUrl, quicPort, certificateHashes } = document;
    if (typeof websocketUrl !== "string") throw new Error("no URL");
    const websocket = new URL((websocketPath ?? websocketUrl) as string, base);
    // A page that came by https may not use a ws: URL.
    const secure = base.protocol === "https:" || globalThis.location?.protocol === "https:";
    if (websocketPath != null) websocket.protocol = secure ? "wss:" : "ws:";
    const quic = parse((this.#options.rawQuic ? rawQuicUrl : quicUrl) as string | undefined);
    if (quic && quicPort) quic.hostname = base.hostname;
    return {
      websocket,
      quic,
      certificateHashes: Array.isArray(certificateHashes)
        ? certificateHashes.map((hash) => hashOf(String(hash)))
        : [],
    };
  }
}

function parse(url: string | undefined): URL | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url) : undefined;
}

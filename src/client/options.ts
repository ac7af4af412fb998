/**
 * The options of the SDK, their defaults, and the checks.
 *
 * @module
 */

import { type Clock, type Random, systemClock } from "./clock.ts";
import { type Environment, systemEnvironment } from "./environment.ts";
import { SkeinError } from "./errors.ts";
import type { BackoffOptions } from "./policy/backoff.ts";
import type { BreakerOptions } from "./policy/breaker.ts";
import type { PreferenceOptions, PreferenceStorage } from "./policy/preference.ts";
import type { ProbingOptions } from "./policy/probing.ts";
import type { QualityOptions } from "./policy/quality.ts";
import type { OutboxOptions } from "./outbox/outbox.ts";
import type { OutboxStorage } from "./outbox/storage.ts";
import type { GetToken } from "./session/tokens.ts";
import type { ClientTransport, TransportFactory } from "./transport/contract.ts";
import type { WebSocketConstructor } from "./transport/websocket.ts";

/** Options of `TransportManager` and `SkeinClient`. One of `url`, `quicUrl` and `websocketUrl` is needed. */
export interface ClientOptions {
  /** The service's address (`https://chat.example`): it is asked (`/client.json`) where and how to dial. @default none */
  url?: string | URL;
  /** WebTransport (`https://host:4433/connection/webtransport`) or raw QUIC in Deno (`quic://host:4433`). @default what `url` says */
  quicUrl?: string | URL;
  /** `wss://host/connection/websocket`. @default what `url` says */
  websocketUrl?: string | URL;
  /** Gives a JWT: called when one is needed, and again before it ends; never twice at once. @default `token` */
  getToken?: GetToken;
  /** A JWT that does not end while the client lives. @default none */
  token?: string;
  /** SHA-256 hashes of the QUIC certificate, base64, where it is not signed by an authority. @default what `url` says */
  certificateHashes?: readonly string[];
  /** With `url`: raw QUIC instead of WebTransport; Deno only. @default false */
  rawQuic?: boolean;
  /** Whether QUIC is used. @default true */
  enableQuic?: boolean;
  /** Whether WebSocket is used. @default true */
  enableWebSocket?: boolean;
  /** Milliseconds QUIC has to connect. @default 5000 */
  quicTimeout?: number;
  /** Milliseconds a WebSocket has to connect. @default 10000 */
  websocketTimeout?: number;
  /** Milliseconds QUIC is dialled alone before WebSocket is dialled beside it. @default 500 */
  headStart?: number;
  /** Milliseconds the server has to answer authentication. @default 5000 */
  authTimeout?: number;
  /** Milliseconds the server has to answer a question such as `history`. @default 10000 */
  requestTimeout?: number;
  /** Failed attempts in a row before the client gives up. @default Infinity */
  maxReconnectAttempts?: number;
  /** Milliseconds before the first new attempt; doubled with each, by chance between half and all of it. @default 1000 */
  reconnectDelay?: number;
  /** Longest of these waits. @default 30000 */
  maxReconnectDelay?: number;
  /** Milliseconds after which a connection has lived: then the waits begin anew. @default 30000 */
  healthyAfter?: number;
  /** When a transport is left alone after failures in a row, as long as another works. @default 5 failures, 5 minutes */
  breaker?: BreakerOptions;
  /** How QUIC is looked for while WebSocket carries the session; false: never. @default from 5 s to 5 min */
  probing?: ProbingOptions | false;
  /** When QUIC that is alive is too poor to stay on; false: never. @default 1.5 s, 25 % lost, for 5 s */
  quality?: QualityOptions | false;
  /** What is remembered of what worked. @default an hour, in `localStorage` where there is one */
  preference?: PreferenceOptions;
  /** Bounds of what waits to be acknowledged, and where it is kept. @default 10,000 messages, 8 MiB, memory */
  outbox?: OutboxOptions & { storage?: OutboxStorage };
  /** Ends the client when it is aborted. @default none */
  signal?: AbortSignal;
  /** Name and version of the application, told to the server; printable ASCII. @default "skein-js" */
  client?: string;
  /** For runtimes that have no global `WebSocket`. @default the global one */
  WebSocket?: WebSocketConstructor;
  /** Milliseconds between `metrics` events. @default 5000 */
  metricsInterval?: number;
  /** Wraps each transport: `compressed` of `@skein/client/compression` has large messages compressed. @default none */
  compression?: (transport: ClientTransport) => ClientTransport;
  /** Parts to put in place of the runtime's; for tests. @default none */
  parts?: Partial<ClientParts>;
}

/** What a client takes from the runtime. */
export interface ClientParts {
  clock: Clock;
  random: Random;
  environment: Environment;
  /** Transports to dial in place of those of the URLs. */
  transports: { quic?: TransportFactory; websocket?: TransportFactory };
  fetch: (url: URL, init: { signal: AbortSignal }) => Promise<Response>;
}

/** The options with every default filled in. */
export interface ResolvedOptions {
  readonly url: URL | undefined;
  readonly quicUrl: URL | undefined;
  readonly websocketUrl: URL | undefined;
  readonly getToken: GetToken;
  /** `getToken` may give another token when one was refused. */
  readonly renewable: boolean;
  readonly certificateHashes: readonly Uint8Array<ArrayBuffer>[] | undefined;
  readonly rawQuic: boolean;
  readonly enableQuic: boolean;
  readonly enableWebSocket: boolean;
  readonly quicTimeout: number;
  readonly websocketTimeout: number;
  readonly headStart: number;
  readonly authTimeout: number;
  readonly requestTimeout: number;
  readonly maxReconnectAttempts: number;
  readonly backoff: BackoffOptions;
  readonly breaker: BreakerOptions;
  readonly probing: ProbingOptions | false;
  readonly quality: QualityOptions | false;
  readonly preference: PreferenceOptions;
  readonly outbox: OutboxOptions & { storage?: OutboxStorage };
  readonly signal: AbortSignal | undefined;
  readonly client: string;
  readonly WebSocket: WebSocketConstructor | undefined;
  readonly metricsInterval: number;
  readonly compression: ClientOptions["compression"];
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: Environment;
  readonly transports: ClientParts["transports"];
  readonly fetch: ClientParts["fetch"];
}

/** Fills in defaults. Throws SkeinError `bad_argument` that names the option and what is allowed. */
export function resolveOptions(options: ClientOptions): ResolvedOptions {
  const { parts = {}, getToken, token } = options;
  const transports = parts.transports ?? {};
  const url = urlOf("url", options.url, ["http:", "https:"]);
  const quicUrl = urlOf("quicUrl", options.quicUrl, ["https:", "quic:"]);
  const websocketUrl = urlOf("websocketUrl", options.websocketUrl, ["ws:", "wss:"]);
  const somewhere = url ?? quicUrl ?? websocketUrl ?? transports.quic ?? transports.websocket;
  if (somewhere === undefined) throw bad("url, quicUrl, websocketUrl", "one of them is needed");
  if (getToken === undefined && token === undefined) {
    throw bad("getToken", "a function that gives a token, or `token`");
  }
  const { enableQuic = true, enableWebSocket = true, client = "skein-js" } = options;
  if (!enableQuic && !enableWebSocket) throw bad("enableQuic, enableWebSocket", "one of them has to be true");
  if (!/^[\x20-\x7e]{0,128}$/.test(client)) throw bad("client", "at most 128 printable ASCII characters");
  return {
    url,
    quicUrl,
    websocketUrl,
    getToken: getToken ?? (() => token!),
    renewable: getToken !== undefined,
    certificateHashes: options.certificateHashes?.map(hashOf),
    rawQuic: options.rawQuic ?? false,
    enableQuic,
    enableWebSocket,
    quicTimeout: atLeast("quicTimeout", options.quicTimeout ?? 5000, 1),
    websocketTimeout: atLeast("websocketTimeout", options.websocketTimeout ?? 10_000, 1),
    headStart: atLeast("headStart", options.headStart ?? 500, 0),
    authTimeout: atLeast("authTimeout", options.authTimeout ?? 5000, 1),
    requestTimeout: atLeast("requestTimeout", options.requestTimeout ?? 10_000, 1),
    maxReconnectAttempts: atLeast("maxReconnectAttempts", options.maxReconnectAttempts ?? Infinity, 0),
    backoff: {
      base: atLeast("reconnectDelay", options.reconnectDelay ?? 1000, 1),
      max: atLeast("maxReconnectDelay", options.maxReconnectDelay ?? 30_000, 1),
      healthyAfter: atLeast("healthyAfter", options.healthyAfter ?? 30_000, 0),
    },
    breaker: options.breaker ?? {},
    probing: options.probing ?? {},
    quality: options.quality ?? {},
    preference: { ...localPreferences(), ...options.preference },
    outbox: options.outbox ?? {},
    signal: options.signal,
    client,
    WebSocket: options.WebSocket,
    metricsInterval: atLeast("metricsInterval", options.metricsInterval ?? 5000, 100),
    compression: options.compression,
    clock: parts.clock ?? systemClock,
    random: parts.random ?? Math.random,
    environment: parts.environment ?? systemEnvironment(),
    transports,
    fetch: parts.fetch ?? ((input, init) => globalThis.fetch(input, init)),
  };
}

/** Bytes of a base64 hash. Throws SkeinError `bad_argument`. */
export function hashOf(text: string): Uint8Array<ArrayBuffer> {
  try {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    if (bytes.length === 32) return bytes;
  } catch {
    // Not base64: `bad` below says so.
  }
  throw bad("certificateHashes", "SHA-256 hashes in base64");
}

function bad(option: string, allowed: string): SkeinError {
  return new SkeinError("bad_argument", `${option}: ${allowed}`);
}

function atLeast(option: string, value: number, least: number): number {
  if (typeof value === "number" && value >= least) return value;
  throw bad(option, `a number from ${least}, not ${value}`);
}

function urlOf(
  option: string,
  value: string | URL | undefined,
  protocols: readonly string[],
): URL | undefined {
  if (value === undefined) return undefined;
  const base = (globalThis as { location?: { href?: string } }).location?.href;
  let url: URL | undefined;
  try {
    url = new URL(value, base);
  } catch {
    // Told below.
  }
  if (url !== undefined && protocols.includes(url.protocol)) return url;
  throw bad(option, `a URL that begins with ${protocols.join(" or ")}, not ${value}`);
}

function localPreferences(): { storage?: PreferenceStorage } {
  try {
    const { document, localStorage } = globalThis as { document?: unknown; localStorage?: PreferenceStorage };
    // Only in pages: in programs it may be a file that nobody asked for.
    return document === undefined || localStorage === undefined ? {} : { storage: localStorage };
  } catch {
    return {};
  }
}

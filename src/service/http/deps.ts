/**
 * What the HTTP app needs of the rest of the service, as interfaces that the app declares.
 *
 * @module
 */

import type { FileReader, FileRecord } from "../../files/mod.ts";
import type { ServerWebSocket } from "../../transport/mod.ts";
import type { ConnectionSnapshot, Level } from "../../session/contract.ts";
import type { AddressList } from "./addresses.ts";
import type { AnswerBudget } from "./answers.ts";
import type { ServerApi } from "./api_contract.ts";
import type { ApiResultName } from "./api_counters.ts";
import type { ApiKey } from "./keys.ts";

/** Who sent a request. `transport` is `udp` for HTTP/3. */
export interface RequestInfo {
  readonly remoteAddr: {
    readonly hostname: string;
    readonly port: number;
    readonly transport?: string;
  };
  /** As in the request line, where the listener knows it. */
  readonly httpVersion?: string;
  /**
   * Answers 200 with a text at once, and returns what the handler is to return: `SENT`. `fields` are names and values in
   * turn; the length is added. Absent where answers are Responses alone.
   */
  readonly sendText?: (fields: readonly string[], text: string) => Response;
  /**
   * Takes the request's connection as a WebSocket, where it may become one; the response is to be returned. Undefined
   * when the peer has gone meanwhile. Throws when the request is no upgrade.
   */
  readonly upgradeWebSocket?: (options: WebSocketUpgradeOptions) => WebSocketUpgrade | undefined;
}

/** Where a request comes from, as far as it can be known. */
export interface RequestSource {
  /** The address of the client, or of the last hop that can be believed. */
  readonly address: string;
  /** Its port; 0 when a proxy did not say. */
  readonly port: number;
  /** Whether the client uses TLS. */
  readonly secure: boolean;
  /** The host that the client asked for, with its port; undefined when there is none or it is not a host. */
  readonly authority: string | undefined;
  /** Whether the client is on this machine, and has come without a proxy. */
  readonly local: boolean;
}

/** How a WebSocket is taken. */
export interface WebSocketUpgradeOptions {
  /** Bytes of a message at most. */
  readonly maxMessage: number;
  /** Messages of this many bytes and more are compressed, when the client offers it. @default never */
  readonly deflateFrom?: number | undefined;
}

/** A WebSocket that was taken. */
export interface WebSocketUpgrade {
  readonly socket: ServerWebSocket;
  readonly response: Response;
  /** It has authenticated: it gives way to nobody from now on. Absent where connections are not counted. */
  readonly authenticated?: (() => void) | undefined;
}

/** Answers requests, whatever carried them: HTTP/1.1, HTTP/2, HTTP/3. */
export type FetchHandler = (request: Request, info: RequestInfo) => Response | Promise<Response>;

/** Settings of the app. They are read at each request, so that a new configuration applies at once. */
export interface HttpSettings {
  /** Without keys, the endpoints of operators are open to this machine, and there may be `/dev/token`. */
  readonly development: boolean;
  /** Origins that browsers may come from: `https://app.example.com`, `https://*.example.com`, `*`. The host of the service itself is always allowed. */
  readonly allowedOrigins: readonly string[];
  /** Proxies whose word on where a request comes from is taken. */
  readonly trustedProxies: AddressList;
  /** Keys of `X-API-Key` or `Authorization: Bearer`. */
  readonly apiKeys: readonly ApiKey[];
  /** `/metrics`, `/stats`, `/api` and `/admin` are on the internal listener and not on this one. */
  readonly internal: boolean;
  /** `/metrics` and `/stats` need no key, on the public listener too. */
  readonly metricsPublic: boolean;
  /** Whether the source maps of the SDK are served. */
  readonly sourceMaps: boolean;
  /** Whether there is a dashboard. */
  readonly adminEnabled: boolean;
}

/** A request for a function. */
export interface FunctionRequest {
  readonly method: string;
  /** What follows the name of the function: empty, or `/...`. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly address: string;
  readonly body: Uint8Array;
}

/** What a function answers. A stream that nobody reads any more has to be cancelled. */
export interface FunctionAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array | ReadableStream<Uint8Array>;
}

/** The application's functions, as far as requests are concerned. */
export interface FunctionRequests {
  /** Whether there is such a function, and it answers requests. */
  answers(name: string): boolean;
  /** Has a function answer; undefined: there is none any more. Rejects when it fails. */
  answer(
    name: string,
    request: FunctionRequest,
  ): Promise<FunctionAnswer> | FunctionAnswer | undefined;
  /** What the client is told of a failure. */
  failure(error: unknown): { readonly status: number; readonly text: string };
}

/** What clients are told in `/client.json`. */
export interface ClientInfo {
  readonly websocket: {
    /** The port of the HTTP listener. */
    readonly port: number;
    readonly tls: boolean;
    /** The URL that clients are told instead, behind a proxy. */
    readonly publicUrl?: string | undefined;
  };
  /** Undefined while QUIC is off. */
  readonly quic: {
    readonly port: number;
    /** The ALPN of raw QUIC. */
    readonly alpn: string;
    /** URL of WebTransport that clients are told instead of the request's host with `port`. */
    readonly publicUrl?: string | undefined;
    /** Base64 SHA-256 of the certificate when browsers accept it by hash (at most 14 days, ECDSA), else empty. */
    readonly certificateHashes: readonly string[];
  } | undefined;
  /** The same as in `auth_response`. */
  readonly limits: Readonly<Record<string, number>>;
  /** Milliseconds. */
  readonly heartbeat: { readonly interval: number; readonly timeout: number };
}

/** One connection as `/stats` shows it. */
export interface ConnectionState extends ConnectionSnapshot {
  readonly connectionId: string;
  /** Null before authentication, like `userId`. */
  readonly sessionId: string | null;
  readonly userId: string | null;
  readonly transport: string;
  readonly remoteAddress: string;
  readonly channels: number | readonly string[];
  /** The name of the node it is on, where connections of several are listed. */
  readonly node?: string;
}

/** The body of `POST /dev/token`. Fields other than `user` are claims; `devToken` checks them. */
export interface DevTokenRequest {
  readonly user: string;
  readonly [claim: string]: unknown;
}

/** The credentials of a request; the bearer token counts when both are given. */
export interface FileCredentials {
  /** `Authorization: Bearer`. */
  readonly bearer: string | undefined;
  /** The query's `token`, as `file_link` made it. */
  readonly link: string | undefined;
}

/** Where files are read from. */
export interface FileAccess {
  /**
   * The file, when the credentials may read it. Rejects with ProtocolError: `unauthorized`, `invalid_token`,
   * `token_expired`, `permission_denied`, `unknown_file`, `not_available`.
   */
  admit(fileId: string, credentials: FileCredentials): Promise<FileRecord>;
  /** Opens it. */
  open(file: FileRecord): Promise<FileReader>;
}

/** The parts the app is made of. */
export interface HttpDeps {
  settings(): HttpSettings;
  clientInfo(): ClientInfo;
  /**
   * Takes a WebSocket upgrade whose `Origin` and header fields were checked; answers with the response of the upgrade, or
   * with a refusal such as 503. `source` is where the client is.
   */
  upgradeWebSocket(info: RequestInfo, source: RequestSource): Response | Promise<Response>;
  /** What answers hold in memory. */
  readonly answers: AnswerBudget;
  /** Counts a request of `address`: the milliseconds it has to wait for its turn; `Infinity` refuses it. */
  pace(address: string): number;
  /** Why no new client should be sent here (draining, the engine cannot commit), or undefined. */
  notReady(): string | undefined;
  /** The Prometheus text of `/metrics`. */
  readonly metrics: {
    expose(): Promise<{ readonly contentType: string; readonly body: string }>;
  };
  /** Every connection; read lazily, up to the limit of the request. */
  connections(): Iterable<ConnectionState>;
  /** The fields of `/stats` and `/api/info`: the figures and the state of all modules. */
  status(): Readonly<Record<string, unknown>>;
  readonly api: ServerApi;
  /** The version of the service, for the description of its API. @default none */
  readonly version?: string;
  /** @default there are no files */
  readonly functions?: FunctionRequests | undefined;
  readonly files?: FileAccess;
  /** Makes a token; undefined outside development mode. Rejects with ProtocolError for invalid claims. */
  readonly devToken?: ((request: DevTokenRequest) => string | Promise<string>) | undefined;
  /** Counts a call of the server API, those of a batch one by one. @default not counted */
  readonly apiCall?: (method: string, result: ApiResultName, ms: number) => void;
  log(level: Level, event: string, fields: Record<string, unknown>): void;
}

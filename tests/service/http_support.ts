/** The app with parts of its own, for the HTTP tests. */

import { AddressList } from "../../src/service/http/addresses.ts";
import { AnswerBudget } from "../../src/service/http/answers.ts";
import type { ConnectionState } from "../../src/service/http/mod.ts";
import type { HttpDeps, HttpSettings, RequestInfo } from "../../src/service/http/deps.ts";

/** Somebody at this machine. */
export const LOCAL: RequestInfo = { remoteAddr: { hostname: "127.0.0.1", port: 40000, transport: "tcp" } };
/** Somebody elsewhere. */
export const REMOTE: RequestInfo = { remoteAddr: { hostname: "192.0.2.7", port: 40000, transport: "tcp" } };
/** A key that the app made by `deps({settings: {apiKeys: [KEY]}})` takes. */
export const KEY = "0123456789abcdef-key";

/** Development mode without keys, on the public listener alone. */
export const SETTINGS: HttpSettings = {
  development: true,
  allowedOrigins: ["*"],
  trustedProxies: new AddressList([]),
  apiKeys: [],
  internal: false,
  metricsPublic: false,
  sourceMaps: true,
  adminEnabled: true,
};

/** What the app logged. */
export interface Logged {
  readonly level: string;
  readonly event: string;
  readonly fields: Record<string, unknown>;
}

/** The parts of an app, and what it logged. */
export function makeDeps(
  given: Partial<Omit<HttpDeps, "settings">> & { settings?: Partial<HttpSettings> } = {},
): HttpDeps & { readonly logged: Logged[] } {
  const logged: Logged[] = [];
  const { settings, ...parts } = given;
  return {
    logged,
    settings: () => ({ ...SETTINGS, ...settings }),
    clientInfo: () => ({
      websocket: { port: 8080, tls: false },
      quic: { port: 4433, alpn: "skein/1", certificateHashes: ["q83v"] },
      limits: { message: 65536 },
      heartbeat: { interval: 7000, timeout: 10000 },
    }),
    upgradeWebSocket: () => new Response("upgraded", { status: 200 }),
    answers: new AnswerBudget({
      limits: () => ({ perConnection: Infinity, perAddress: Infinity, total: Infinity }),
      refused: () => {},
    }),
    pace: () => 0,
    notReady: () => undefined,
    metrics: {
      expose: () => Promise.resolve({ contentType: "text/plain; version=0.0.4", body: "skein_users 1\n" }),
    },
    status: () => ({ connections: 2 }),
    connections: () => [connection(1), connection(2), connection(3)],
    api: { info: () => ({ connections: 2 }) },
    log: (level, event, fields) => logged.push({ level, event, fields }),
    ...parts,
  };
}

/** A connection as `/stats` shows it. */
export function connection(n: number): ConnectionState {
  return {
    connectionId: `c${n}`,
    sessionId: `s${n}`,
    userId: n % 2 === 0 ? "bob" : "ann",
    transport: "websocket",
    remoteAddress: "192.0.2.7:1",
    connectedAt: 1,
    lastActivity: 2,
    bytesIn: 3,
    bytesOut: 4,
    messagesIn: 5,
    messagesOut: 6,
    rtt: null,
    outboxBytes: 0,
    outboxMessages: 0,
    channels: ["chat:general"],
  };
}

/** A request to `http://localhost:8080`. */
export function request(path: string, init: RequestInit = {}): Request {
  const headers = new Headers(init.headers);
  if (!headers.has("host")) headers.set("host", "localhost:8080");
  return new Request(`http://localhost:8080${path}`, { ...init, headers });
}

/** A POST of JSON. */
export function post(path: string, body: unknown, headers: Record<string, string> = {}): Request {
  return request(path, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
}

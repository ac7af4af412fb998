/**
 * The HTTP app: page, WebSocket, health, metrics, server API. A plain fetch function, so that HTTP/1.1, HTTP/2
 * and HTTP/3 are answered by the same code.
 *
 * @module
 */

import { type Context, Hono } from "@hono/hono";
import { isUserId, ProtocolError } from "../../protocol/mod.ts";
import { ApiRunner, listConnections, parseLimit } from "./api.ts";
import { ADMIN_ASSETS, assetResponse, PAGE_ASSETS } from "./assets.ts";
import { readJson } from "./body.ts";
import { clientDocument, WEBSOCKET_PATH } from "./client_info.ts";
import type { FetchHandler, HttpDeps, RequestInfo } from "./deps.ts";
import { failureResponse } from "./failure.ts";
import { FILE_CORS, fileResponse } from "./files.ts";
import { setSecurityHeaders } from "./headers.ts";
import { keyOf, KeyRing } from "./keys.ts";
import { isCrossSite, isLocalRequest, isLoopbackHost, listed, originAllowed, sameHost } from "./origin.ts";

type Env = { Bindings: { info: RequestInfo } };
type Ctx = Context<Env>;
/** Lets a request pass (undefined) or answers it. */
type Guard = (c: Ctx) => Promise<Response | undefined> | Response | undefined;

/** The app of the public listener, and of HTTP/3. */
export function createApp(deps: HttpDeps): FetchHandler {
  const app = base(deps);
  const keys = new KeyRing();
  addPage(app, deps);
  addFiles(app, deps);
  addHealth(app, deps);
  addOperators(app, deps, {
    figures: (c) => deps.settings().metricsPublic ? undefined : guardOperator(c, deps, keys),
    api: (c) => guardOperator(c, deps, keys),
    // The files of the dashboard hold no secrets: its figures come from /stats, which needs a key.
    admin: () => deps.settings().internal ? notFound() : undefined,
  });
  return serve(app);
}

/**
 * The app of the internal listener: health, `/metrics`, `/stats`, `/api`, `/admin`, without a key. Pages of other
 * sites in a browser of this machine are refused.
 */
export function createInternalApp(deps: HttpDeps): FetchHandler {
  const app = base(deps);
  const own: Guard = (c) => {
    const authority = authorityOf(c);
    const remote = c.env.info.remoteAddr.hostname;
    const pointedHere = isLocalOnly(remote) && authority !== undefined && !isLoopbackHost(authority);
    return pointedHere || isCrossSite(c.req.raw, authority) ? refused() : undefined;
  };
  addHealth(app, deps);
  addOperators(app, deps, { figures: own, api: own, admin: () => undefined });
  return serve(app);
}

function isLocalOnly(remote: string): boolean {
  return remote === "::1" || remote.startsWith("127.") || remote.startsWith("::ffff:127.");
}

function base(deps: HttpDeps): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    await next();
    // The runtime needs the response of an upgrade unchanged.
    if (c.res.status !== 101) setSecurityHeaders(c.res.headers);
  });
  app.notFound(() => notFound());
  app.onError((error, c) => {
    if (!(error instanceof ProtocolError)) {
      deps.log("error", "http_failed", { method: c.req.method, path: c.req.path, error });
    }
    return failureResponse(error);
  });
  return app;
}

function serve(app: Hono<Env>): FetchHandler {
  return (request, info) => app.fetch(request, { info });
}

function addPage(app: Hono<Env>, deps: HttpDeps): void {
  for (const [path, asset] of Object.entries(PAGE_ASSETS)) {
    get(app, path, (c) => assetResponse(asset, c.req.raw));
  }

  get(app, "/client.json", (c) => {
    const authority = authorityOf(c);
    if (authority === undefined) throw new ProtocolError("bad_request", "Host: the name of a host");
    const http3 = c.env.info.remoteAddr.transport === "udp";
    const body = clientDocument(deps.clientInfo(), { authority, http3, secure: isSecure(c) });
    return Response.json(body, {
      headers: { "cache-control": "no-store", ...cors(c, deps.settings().allowedOrigins) },
    });
  });

  app.all(WEBSOCKET_PATH, (c) => upgrade(c, deps));

  app.on("OPTIONS", "/dev/token", (c) => {
    if (deps.devToken === undefined) return notFound();
    const headers = { ...devCors(c, deps), "access-control-allow-headers": "content-type" };
    return new Response(null, { status: 204, headers });
  });
  app.post("/dev/token", async (c) => {
    const { devToken } = deps;
    if (devToken === undefined) return notFound();
    const origin = c.req.header("origin");
    if (origin !== undefined && !devOriginAllowed(origin, authorityOf(c), deps)) return refused();
    const body = await readJson(c.req.raw, { maxBytes: 16_384 });
    const { user } = body;
    if (typeof user !== "string" || !isUserId(user)) {
      throw new ProtocolError("bad_payload", "user: 1 to 128 printable ASCII characters without spaces");
    }
    const token = await devToken({ ...body, user });
    return Response.json({ token }, { headers: { "cache-control": "no-store", ...devCors(c, deps) } });
  });
  app.all("/dev/token", () => deps.devToken === undefined ? notFound() : notAllowed("POST"));
}

function addFiles(app: Hono<Env>, deps: HttpDeps): void {
  const { files } = deps;
  if (files === undefined) return;
  const shared = (c: Ctx) => ({ ...cors(c, deps.settings().allowedOrigins), ...FILE_CORS });
  app.on("OPTIONS", "/files/:id", (c) => new Response(null, { status: 204, headers: shared(c) }));
  get(app, "/files/:id", async (c) => {
    const answer = await fileResponse(files, c.req.raw, c.req.param("id") ?? "");
    for (const [name, value] of Object.entries(shared(c))) answer.headers.append(name, value);
    return answer;
  });
}

function addHealth(app: Hono<Env>, deps: HttpDeps): void {
  get(app, "/healthz", () => plain("ok\n", 200));
  get(app, "/readyz", () => {
    const reason = deps.notReady();
    return reason === undefined ? plain("ready\n", 200) : plain(`not ready: ${reason}\n`, 503);
  });
}

interface Guards {
  readonly figures: Guard;
  readonly api: Guard;
  readonly admin: Guard;
}

function addOperators(app: Hono<Env>, deps: HttpDeps, guards: Guards): void {
  const runner = new ApiRunner(deps);
  get(app, "/metrics", async (c) => {
    const answer = await guards.figures(c);
    if (answer !== undefined) return answer;
    const { contentType, body } = await deps.metrics.expose();
    return new Response(body, { headers: { "content-type": contentType, "cache-control": "no-store" } });
  });
  get(app, "/stats", async (c) => {
    const answer = await guards.figures(c);
    if (answer !== undefined) return answer;
    const limit = parseLimit(c.req.query("limit"));
    const stats = {
      ...deps.status(),
      connectionList: listConnections(deps.connections(), limit),
    };
    return Response.json(stats, { headers: { "cache-control": "no-store" } });
  });
  app.post("/api/:method", async (c) => {
    const answer = await guards.api(c);
    if (answer !== undefined) return answer;
    const result = await runner.run(c.req.param("method"), await readJson(c.req.raw));
    return Response.json({ result }, { headers: { "cache-control": "no-store" } });
  });
  app.all("/api/:method", () => notAllowed("POST"));
  for (const [path, asset] of Object.entries(ADMIN_ASSETS)) {
    // The page on the public listener uses this style too.
    if (path === "/style.css") get(app, path, (c) => assetResponse(asset, c.req.raw));
    else {
      get(app, path, async (c) => {
        if (!deps.settings().adminEnabled) return notFound();
        return await guards.admin(c) ?? await assetResponse(asset, c.req.raw);
      });
    }
  }
}

/** Serves GET and HEAD at `path`; 405 for the rest. */
function get(app: Hono<Env>, path: string, handler: (c: Ctx) => Response | Promise<Response>): void {
  app.get(path, handler);
  app.all(path, () => notAllowed("GET, HEAD"));
}

async function guardOperator(c: Ctx, deps: HttpDeps, ring: KeyRing): Promise<Response | undefined> {
  const settings = deps.settings();
  if (settings.internal) return notFound();
  if (settings.apiKeys.length > 0) {
    const key = keyOf(c.req.raw.headers);
    if (key !== undefined && await ring.accepts(key, settings.apiKeys)) return undefined;
    return failureResponse(
      new ProtocolError(
        "unauthorized",
        key === undefined ? "a key is needed: X-API-Key" : "key not accepted",
      ),
    );
  }
  if (!settings.development) {
    return failureResponse(new ProtocolError("permission_denied", "no key is configured: api.keys"));
  }
  if (isLocalRequest(c.req.raw, c.env.info.remoteAddr.hostname, authorityOf(c))) return undefined;
  return failureResponse(
    new ProtocolError("permission_denied", "without api.keys this is open to this machine only"),
  );
}

async function upgrade(c: Ctx, deps: HttpDeps): Promise<Response> {
  const { raw } = c.req;
  if (raw.method !== "GET" || raw.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return plain("a WebSocket is wanted here\n", 426, { upgrade: "websocket", connection: "upgrade" });
  }
  if (raw.headers.get("sec-websocket-version") !== "13") {
    return plain("WebSocket version 13 is wanted\n", 426, {
      upgrade: "websocket",
      connection: "upgrade",
      "sec-websocket-version": "13",
    });
  }
  // 16 bytes in base64 (RFC 6455 §4.2.1).
  if (!/^[A-Za-z0-9+/]{22}==$/.test(raw.headers.get("sec-websocket-key") ?? "")) {
    return plain("no proper Sec-WebSocket-Key\n", 400);
  }
  if (!originAllowed(raw.headers.get("origin"), deps.settings().allowedOrigins, authorityOf(c))) {
    return plain("this origin may not connect\n", 403);
  }
  return await deps.upgradeWebSocket(c.env.info);
}

/** The host that was asked for (`Host`, `:authority`); undefined when there is none or it is not a host. */
function authorityOf(c: Ctx): string | undefined {
  const host = c.req.header("host");
  try {
    return host === undefined ? new URL(c.req.url).host : new URL(`http://${host}`).host;
  } catch {
    return undefined;
  }
}

function isSecure(c: Ctx): boolean {
  const forwarded = c.req.header("x-forwarded-proto")?.split(",")[0]?.trim();
  return forwarded === undefined ? c.req.url.startsWith("https:") : forwarded === "https";
}

function cors(c: Ctx, allowed: readonly string[]): Record<string, string> {
  const origin = c.req.header("origin");
  if (allowed.includes("*")) return { "access-control-allow-origin": "*" };
  if (origin !== undefined && originAllowed(origin, allowed, authorityOf(c))) {
    return { "access-control-allow-origin": origin, vary: "Origin" };
  }
  return { vary: "Origin" };
}

/**
 * A token for anybody is not for any site's page: beside the own host, pages of this machine (a developer's other
 * server) and origins that are named, for which `*` does not count.
 */
function devOriginAllowed(origin: string, authority: string | undefined, deps: HttpDeps): boolean {
  const named = deps.settings().allowedOrigins.filter((entry) => entry !== "*");
  if (listed(origin, named) || sameHost(origin, authority)) return true;
  return isLoopbackHost(origin);
}

function devCors(c: Ctx, deps: HttpDeps): Record<string, string> {
  const origin = c.req.header("origin");
  if (origin === undefined || !devOriginAllowed(origin, authorityOf(c), deps)) return { vary: "Origin" };
  return { "access-control-allow-origin": origin, vary: "Origin" };
}

function plain(text: string, status: number, headers: Record<string, string> = {}): Response {
  return new Response(text, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...headers },
  });
}

function notFound(): Response {
  return plain("not found\n", 404);
}

function refused(): Response {
  return plain("not for pages of other sites\n", 403);
}

function notAllowed(methods: string): Response {
  return plain("method not allowed\n", 405, { allow: methods });
}

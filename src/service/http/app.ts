/**
 * The HTTP app: page, WebSocket, health, metrics, server API. A plain fetch function, so that HTTP/1.1, HTTP/2
 * and HTTP/3 are answered by the same code.
 *
 * @module
 */

import { Hono } from "@hono/hono";
import { delay } from "../../async/deadline.ts";
import { isUserId, ProtocolError } from "../../protocol/mod.ts";
import { isLoopback } from "./addresses.ts";
import { assetResponse, PAGE_ASSETS } from "./assets.ts";
import { readJson } from "./body.ts";
import { clientDocument, WEBSOCKET_PATH } from "./client_info.ts";
import { type Ctx, type Env, get, notAllowed, notFound, plain, refused, SENT, tooMany } from "./context.ts";
import type { FetchHandler, HttpDeps, RequestInfo, RequestSource } from "./deps.ts";
import { failureResponse } from "./failure.ts";
import { FILE_CORS, fileResponse } from "./files.ts";
import { addFunctions } from "./functions.ts";
import { sourceOf } from "./forwarded.ts";
import { setSecurityHeaders } from "./headers.ts";
import { ALL_RIGHTS, KeyRing } from "./keys.ts";
import { addOperators, guardFigures, operatorRights } from "./operators.ts";
import { isExempt } from "./request_rates.ts";
import { isCrossSite, isLoopbackHost, listed, originAllowed, sameHost } from "./origin.ts";

/** The app of the public listener, and of HTTP/3. */
export function createApp(deps: HttpDeps): FetchHandler {
  const app = base(deps);
  const keys = new KeyRing();
  addPage(app, deps);
  addFiles(app, deps);
  addFunctions(app, deps);
  addHealth(app, deps);
  addOperators(app, deps, {
    figures: (c) => deps.settings().metricsPublic ? undefined : guardFigures(c, deps, keys),
    api: (c) => operatorRights(c, deps, keys),
    // The files of the dashboard hold no secrets: its figures come from /stats, which needs a key.
    admin: () => deps.settings().internal ? notFound() : undefined,
  });
  return paced(serve(app, deps), deps);
}

/**
 * The app of the internal listener: health, `/metrics`, `/stats`, `/api`, `/admin`, without a key. Pages of other
 * sites in a browser of this machine are refused.
 */
export function createInternalApp(deps: HttpDeps): FetchHandler {
  const app = base(deps);
  const own = (c: Ctx): Response | undefined => {
    const { address, authority } = c.env.source;
    const pointedHere = isLoopback(address) && authority !== undefined && !isLoopbackHost(authority);
    return pointedHere || isCrossSite(c.req.raw, authority) ? refused() : undefined;
  };
  addHealth(app, deps);
  addOperators(app, deps, { figures: own, api: (c) => own(c) ?? ALL_RIGHTS, admin: () => undefined });
  return serve(app, deps);
}

function base(deps: HttpDeps): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    await next();
    // The runtime needs the response of an upgrade unchanged.
    if (c.res.status !== 101 && c.res !== SENT) setSecurityHeaders(c.res.headers);
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

function serve(app: Hono<Env>, deps: HttpDeps): Serve {
  return (request, info, source = sourceOf(request, info, deps.settings().trustedProxies)) =>
    app.fetch(request, { info, source });
}

type Serve = (request: Request, info: RequestInfo, source?: RequestSource) => Response | Promise<Response>;

/** Lets each address ask at its rate. Requests of HTTP/3 have waited for their turn on their connection. */
function paced(serve: Serve, deps: HttpDeps): FetchHandler {
  return (request, info) => {
    const source = sourceOf(request, info, deps.settings().trustedProxies);
    const isCounted = info.remoteAddr.transport !== "udp" && !isExempt(pathOf(request.url));
    const wait = isCounted ? deps.pace(source.address) : 0;
    if (wait === 0) return serve(request, info, source);
    if (wait === Infinity) return tooMany(info);
    return delay(wait).then(() => serve(request, info, source));
  };
}

/** The path of a URL, whose host may be malformed. */
function pathOf(url: string): string {
  return /^[a-z]+:\/\/[^/?#]*([^?#]*)/i.exec(url)?.[1] ?? "";
}

function addPage(app: Hono<Env>, deps: HttpDeps): void {
  for (const [path, asset] of Object.entries(PAGE_ASSETS)) {
    get(app, path, (c) => assetResponse(asset, c, deps));
  }

  get(app, "/client.json", (c) => {
    const { authority, secure } = c.env.source;
    if (authority === undefined) throw new ProtocolError("bad_request", "Host: the name of a host");
    const http3 = c.env.info.remoteAddr.transport === "udp";
    const body = clientDocument(deps.clientInfo(), { authority, http3, secure });
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
    if (origin !== undefined && !devOriginAllowed(origin, c.env.source.authority, deps)) return refused();
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
    const answer = await fileResponse(files, c, deps, c.req.param("id") ?? "");
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
  if (!originAllowed(raw.headers.get("origin"), deps.settings().allowedOrigins, c.env.source.authority)) {
    return plain("this origin may not connect\n", 403);
  }
  return await deps.upgradeWebSocket(c.env.info, c.env.source);
}

function cors(c: Ctx, allowed: readonly string[]): Record<string, string> {
  const origin = c.req.header("origin");
  if (allowed.includes("*")) return { "access-control-allow-origin": "*" };
  if (origin !== undefined && originAllowed(origin, allowed, c.env.source.authority)) {
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
  if (origin === undefined || !devOriginAllowed(origin, c.env.source.authority, deps)) {
    return { vary: "Origin" };
  }
  return { "access-control-allow-origin": origin, vary: "Origin" };
}

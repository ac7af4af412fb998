/**
 * What operators and back ends reach: `/metrics`, `/stats`, `/api`, `/admin`, and who may.
 *
 * @module
 */

import type { Hono } from "@hono/hono";
import { delay } from "../../async/deadline.ts";
import { ProtocolError } from "../../protocol/mod.ts";
import { ownBytes } from "./answers.ts";
import { ApiRunner, type Caller, idempotencyKeyOf } from "./api.ts";
import { bringsLines, publishLines } from "./api_lines.ts";
import { openApi } from "./api_openapi.ts";
import { piecesOf, streamBody } from "./api_stream.ts";
import { ADMIN_ASSETS, API_DOCS_ASSETS, assetResponse } from "./assets.ts";
import { readJson } from "./body.ts";
import { listConnections, parseLimit } from "./connection_list.ts";
import {
  answerJson,
  answerWith,
  type Ctx,
  type Env,
  get,
  type Guard,
  notAllowed,
  notFound,
  tooMany,
} from "./context.ts";
import type { HttpDeps } from "./deps.ts";
import { failureResponse } from "./failure.ts";
import { ALL_RIGHTS, keyOf, type KeyRing } from "./keys.ts";
import { isLocalRequest } from "./origin.ts";

/** What a caller may do. */
export type Rights = Caller["rights"];

/** Bytes of the body of a call: those of a batch of a thousand messages. */
const MAX_API_BODY = 8 * 1024 * 1024;

/** Who may. */
export interface Guards {
  readonly figures: Guard;
  /** The rights of the caller, or the answer to one who has none. */
  readonly api: (c: Ctx) => Promise<Rights | Response> | Rights | Response;
  readonly admin: Guard;
}

/** Adds the routes. */
export function addOperators(app: Hono<Env>, deps: HttpDeps, guards: Guards): void {
  const runner = new ApiRunner(deps);
  get(app, "/metrics", async (c) => {
    const answer = await guards.figures(c);
    if (answer !== undefined) return answer;
    const { contentType, body } = await deps.metrics.expose();
    return figures(body, contentType, c, deps);
  });
  get(app, "/stats", async (c) => {
    const answer = await guards.figures(c);
    if (answer !== undefined) return answer;
    const limit = parseLimit(c.req.query("limit"));
    const stats = {
      ...deps.status(),
      connectionList: listConnections(deps.connections(), limit),
    };
    return figures(JSON.stringify(stats), "application/json", c, deps);
  });
  addDescription(app, deps, guards);
  app.post("/api/:method", async (c) => {
    const rights = await guards.api(c);
    if (rights instanceof Response) return rights;
    const { headers } = c.req.raw;
    const caller = { rights, idempotencyKey: idempotencyKeyOf(headers) };
    if (bringsLines(headers) && c.req.param("method") === "publish") {
      return publishLines(c.req.raw.body, runner, caller);
    }
    if (c.req.param("method") === "append" && c.req.query("channel") !== undefined) {
      const { body } = c.req.raw;
      return answerJson(c, {
        result: await streamBody(body, piecesOf(headers), c.req.query(), runner, caller),
      });
    }
    const params = await readJson(c.req.raw, { maxBytes: MAX_API_BODY });
    const result = await runner.run(c.req.param("method"), params, caller);
    return answerJson(c, { result });
  });
  app.all("/api/:method", () => notAllowed("POST"));
  for (const [path, asset] of Object.entries(ADMIN_ASSETS)) {
    // The page on the public listener uses this style too.
    if (path === "/style.css") get(app, path, (c) => assetResponse(asset, c, deps));
    else {
      get(app, path, async (c) => {
        if (!deps.settings().adminEnabled) return notFound();
        return await guards.admin(c) ?? await assetResponse(asset, c, deps);
      });
    }
  }
}

/** The description of the API holds no secrets: it needs no key. */
function addDescription(app: Hono<Env>, deps: HttpDeps, guards: Guards): void {
  get(app, "/api/openapi.json", async (c) => {
    const answer = await guards.admin(c);
    if (answer !== undefined) return answer;
    return figures(JSON.stringify(await openApi(deps.version ?? "")), "application/json", c, deps);
  });
  for (const [path, asset] of Object.entries(API_DOCS_ASSETS)) {
    get(app, path, async (c) => await guards.admin(c) ?? await assetResponse(asset, c, deps));
  }
}

function figures(text: string, type: string, c: Ctx, deps: HttpDeps): Response {
  const source = ownBytes(new TextEncoder().encode(text));
  return answerWith(source, c, deps, { "content-type": type, "cache-control": "no-store" });
}

/** Lets a request pass whose key has the right `read`: see `operatorRights`. */
export async function guardFigures(c: Ctx, deps: HttpDeps, ring: KeyRing): Promise<Response | undefined> {
  const rights = await operatorRights(c, deps, ring);
  if (rights instanceof Response) return rights;
  if (rights.has("read")) return undefined;
  return failureResponse(new ProtocolError("permission_denied", "the key needs the right read"));
}

/**
 * What the key of a request may do; without any keys, in development, one of this machine may do everything. Refusals
 * count against the rate of their address, so that keys cannot be tried out quickly.
 */
export async function operatorRights(c: Ctx, deps: HttpDeps, ring: KeyRing): Promise<Rights | Response> {
  const rights = await rightsOf(c, deps, ring);
  if (!(rights instanceof Response)) return rights;
  const wait = deps.pace(c.env.source.address);
  if (wait === Infinity) return tooMany(c.env.info);
  if (wait > 0) await delay(wait);
  return rights;
}

async function rightsOf(c: Ctx, deps: HttpDeps, ring: KeyRing): Promise<Rights | Response> {
  const settings = deps.settings();
  if (settings.internal) return notFound();
  if (settings.apiKeys.length > 0) {
    const key = keyOf(c.req.raw.headers);
    const rights = key === undefined ? undefined : await ring.rightsOf(key, settings.apiKeys);
    return rights ?? failureResponse(
      new ProtocolError(
        "unauthorized",
        key === undefined ? "a key is needed: X-API-Key" : "key not accepted",
      ),
    );
  }
  if (!settings.development) {
    return failureResponse(new ProtocolError("permission_denied", "no key is configured: api.keys"));
  }
  if (isLocalRequest(c.req.raw, c.env.source)) return ALL_RIGHTS;
  return failureResponse(
    new ProtocolError("permission_denied", "without api.keys this is open to this machine only"),
  );
}

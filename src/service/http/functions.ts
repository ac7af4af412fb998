/**
 * `/fn/NAME`: requests that the application's functions answer.
 *
 * @module
 */

import type { Hono } from "@hono/hono";
import { ownBytes } from "./answers.ts";
import { readBody } from "./body.ts";
import { answerWith, type Ctx, type Env, notFound, plain } from "./context.ts";
import type { FunctionAnswer, HttpDeps } from "./deps.ts";

/** Of the connection, not of the answer; and what the listener takes for its own sign. */
const OWN_HEADERS = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-hono-already-sent",
]);

/** Adds the routes of functions. */
export function addFunctions(app: Hono<Env>, deps: HttpDeps): void {
  app.all("/fn/:name", (c) => answer(c, deps));
  app.all("/fn/:name/*", (c) => answer(c, deps));
}

async function answer(c: Ctx, deps: HttpDeps): Promise<Response> {
  const { functions } = deps;
  const name = c.req.param("name") ?? "";
  if (functions === undefined || !functions.answers(name)) return notFound();
  const { raw } = c.req;
  const url = new URL(raw.url);
  const body = await readBody(raw);
  let given: FunctionAnswer | undefined;
  try {
    given = await functions.answer(name, {
      method: raw.method,
      // As it was sent: the name may be encoded in another way.
      path: url.pathname.replace(/^\/fn\/[^/]*/, ""),
      query: Object.fromEntries(url.searchParams),
      headers: Object.fromEntries(raw.headers),
      address: c.env.source.address,
      body,
    });
  } catch (error) {
    const { status, text } = functions.failure(error);
    return plain(`${text}\n`, status, status === 503 ? { "retry-after": "1" } : {});
  }
  if (given === undefined) return notFound();
  try {
    return responseOf(given, c, deps);
  } catch {
    // A name or a value that no header may have.
    if (given.body instanceof ReadableStream) given.body.cancel().catch(() => {});
    return plain("the function failed\n", 502);
  }
}

function responseOf({ status, headers, body }: FunctionAnswer, c: Ctx, deps: HttpDeps): Response {
  const own = headers.filter(([name]) => !OWN_HEADERS.has(name.toLowerCase()));
  if (body instanceof ReadableStream) {
    const isHead = c.req.method === "HEAD";
    if (isHead) body.cancel().catch(() => {});
    // Proxies would hold the pieces back until there are enough of them.
    const live = new Response(isHead ? null : body, { status, headers: { "x-accel-buffering": "no" } });
    for (const [name, value] of own) live.headers.append(name, value);
    return live;
  }
  const made = [204, 205, 304].includes(status)
    ? new Response(null, { status })
    : answerWith(ownBytes(body), c, deps, {}, status);
  for (const [name, value] of own) made.headers.append(name, value);
  return made;
}

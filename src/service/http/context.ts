/**
 * What the routes of the app share: their context, and short answers.
 *
 * @module
 */

import type { Context, Hono } from "@hono/hono";
import { hostOf } from "../../session/mod.ts";
import type { AnswerSource } from "./answers.ts";
import { SECURITY_FIELDS } from "./headers.ts";
import type { HttpDeps, RequestInfo, RequestSource } from "./deps.ts";

/** What a request brings beside itself. */
export type Env = { Bindings: { readonly info: RequestInfo; readonly source: RequestSource } };
/** The context of a route. */
export type Ctx = Context<Env>;
/** Lets a request pass (undefined) or answers it. */
export type Guard = (c: Ctx) => Promise<Response | undefined> | Response | undefined;

/** Serves GET and HEAD at `path`; 405 for the rest. */
export function get(app: Hono<Env>, path: string, handler: (c: Ctx) => Response | Promise<Response>): void {
  app.get(path, handler);
  app.all(path, () => notAllowed("GET, HEAD"));
}

/** A short text. */
export function plain(text: string, status: number, headers: Record<string, string> = {}): Response {
  return new Response(text, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...headers },
  });
}

/** Bytes of an answer that is sent as a whole. */
export const SMALL = 16_384;

/**
 * An answer of bytes, in pieces, within the bounds of what answers may hold: 503 when there is no room. The length is told,
 * and the answer to HEAD has no body.
 */
export function answerWith(
  source: AnswerSource,
  c: Ctx,
  deps: Pick<HttpDeps, "answers">,
  headers: Record<string, string>,
  status = 200,
): Response {
  const described = { ...headers, "content-length": `${source.length}` };
  if (c.req.method === "HEAD") {
    source.close?.();
    return new Response(null, { status, headers: described });
  }
  // What fits into the buffers of the network is not worth to be watched.
  if (source.length <= SMALL && source.bytes !== undefined) {
    return new Response(source.bytes as BodyInit, { status, headers: described });
  }
  const { hostname, port, transport } = c.env.info.remoteAddr;
  const body = deps.answers.body(source, {
    connection: `${transport} ${hostname} ${port}`,
    address: hostOf(`${c.env.source.address}:0`),
  });
  if (body !== undefined) return new Response(body as BodyInit, { status, headers: described });
  return plain("too many answers are under way\n", 503, { "retry-after": "1" });
}

/** Stands for an answer that was written already. One for all, so that nothing may be added to it. */
export const SENT: Response = new Response(null, { headers: { "x-hono-already-sent": "true" } });

const JSON_HEADERS: [string, string][] = [
  ["content-type", "application/json"],
  ["cache-control", "no-store"],
  ...SECURITY_FIELDS.map(([name, value]): [string, string] => [name, value]),
];
/** Names and values in turn. */
const JSON_FIELDS: readonly string[] = JSON_HEADERS.flat();

/**
 * Answers with JSON that nobody keeps, with all fields that answers have. Calls of the server API come by the thousands a
 * second: a listener that can write the text itself does so, because a Response and its stream cost more than the call.
 */
export function answerJson(c: Ctx, value: unknown): Response {
  const text = JSON.stringify(value);
  return c.env.info.sendText?.(JSON_FIELDS, text) ?? new Response(text, { headers: JSON_HEADERS });
}

/** 429 for an address that asks too often. On HTTP/1 it ends the connection. */
export function tooMany({ httpVersion }: RequestInfo): Response {
  const end: Record<string, string> = httpVersion?.startsWith("1") ? { connection: "close" } : {};
  return plain("too many requests\n", 429, { "retry-after": "1", ...end });
}

/** 404. */
export function notFound(): Response {
  return plain("not found\n", 404);
}

/** 403 for what a page of another site asked. */
export function refused(): Response {
  return plain("not for pages of other sites\n", 403);
}

/** 405 with the methods there are. */
export function notAllowed(methods: string): Response {
  return plain("method not allowed\n", 405, { allow: methods });
}

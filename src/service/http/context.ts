/**
 * What the routes of the app share: their context, and short answers.
 *
 * @module
 */

import type { Context, Hono } from "@hono/hono";
import type { RequestInfo, RequestSource } from "./deps.ts";

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

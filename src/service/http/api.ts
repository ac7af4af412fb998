/**
 * `/api/<method>` and `/stats`: parameters in, results out.
 *
 * @module
 */

import * as v from "valibot";
import { deadline } from "../../async/deadline.ts";
import { type ErrorName, failureOf, ProtocolError } from "../../protocol/mod.ts";
import type { ApiResult } from "./api_counters.ts";
import type { ConnectionState, HttpDeps } from "./deps.ts";
import { API_PARAMS, batchParams, isApiMethod } from "./server_api.ts";

/** Connections that are listed by default. */
export const DEFAULT_CONNECTIONS = 100;
/** Most connections listed. */
const MOST_CONNECTIONS = 10_000;
/** Milliseconds a method may take. */
const API_TIMEOUT = 10_000;

/** One answer of a batch. */
type BatchReply = { readonly result: unknown } | { readonly error: ReturnType<typeof failureOf> };

/** Runs methods of the server API. */
export class ApiRunner {
  readonly #deps: HttpDeps;

  constructor(deps: HttpDeps) {
    this.#deps = deps;
  }

  /**
   * Checks `params` and runs `method`. Rejects with ProtocolError: `unknown_type` for an unknown method, `bad_payload` for
   * invalid parameters, or the error of the method.
   */
  async run(method: string, params: unknown): Promise<unknown> {
    if (method === "batch") return await this.#batch(check(batchParams, params));
    return await this.#single(method, params);
  }

  async #batch({ commands }: { commands: { method: string; params?: unknown }[] }) {
    const replies: BatchReply[] = [];
    // One after the other, so that messages of a batch keep their order.
    for (const { method, params } of commands) {
      try {
        replies.push({ result: await this.#single(method, params) });
      } catch (error) {
        this.#log(method, error);
        replies.push({ error: failureOf(error) });
      }
    }
    return { replies };
  }

  async #single(method: string, params: unknown): Promise<unknown> {
    const began = performance.now();
    const counted = (result: ApiResult) => this.#deps.apiCall?.(method, result, performance.now() - began);
    try {
      const result = await this.#call(method, params);
      counted("ok");
      return result;
    } catch (error) {
      counted(error instanceof ProtocolError ? error.error : "internal");
      throw error;
    }
  }

  async #call(method: string, params: unknown): Promise<unknown> {
    if (!isApiMethod(method)) throw new ProtocolError("unknown_type", "no such method");
    const checked = check(API_PARAMS[method] as v.GenericSchema<unknown, never>, params ?? {});
    if (method === "info") return this.#deps.status();
    const { api } = this.#deps;
    const run = api[method] as ((params: unknown) => unknown) | undefined;
    if (run === undefined) throw new ProtocolError("unknown_type", "not offered by this service");
    return await inTime(run.call(api, checked)) ?? {};
  }

  #log(method: string, error: unknown): void {
    if (!(error instanceof ProtocolError)) this.#deps.log("error", "api_failed", { method, error });
  }
}

/** A part of the connections. */
export interface ConnectionList {
  readonly items: readonly ConnectionState[];
  /** There are more than `limit`. */
  readonly more: boolean;
}

/** At most `limit` of `connections`, those of `user` when given. */
export function listConnections(
  connections: Iterable<ConnectionState>,
  limit: number,
  user?: string,
): ConnectionList {
  const items: ConnectionState[] = [];
  for (const connection of connections) {
    if (user !== undefined && connection.userId !== user) continue;
    if (items.length === limit) return { items, more: true };
    items.push(connection);
  }
  return { items, more: false };
}

/** The `limit` of a query. Throws ProtocolError `bad_request` unless it is a whole number from 0 to 10,000. */
export function parseLimit(text: string | undefined): number {
  if (text === undefined) return DEFAULT_CONNECTIONS;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  if (!(limit <= MOST_CONNECTIONS)) {
    throw new ProtocolError("bad_request", `limit: a whole number from 0 to ${MOST_CONNECTIONS}`);
  }
  return limit;
}

function check<T>(schema: v.GenericSchema<unknown, T>, params: unknown): T {
  const result = v.safeParse(schema, params, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue);
  const name: ErrorName = "bad_payload";
  throw new ProtocolError(name, path === null ? issue.message : `${path}: ${issue.message}`);
}

async function inTime(work: unknown): Promise<unknown> {
  const late = () => new ProtocolError("not_available", "the method did not finish in time");
  return await deadline(Promise.resolve(work), API_TIMEOUT, late);
}

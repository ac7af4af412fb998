/**
 * Runs methods of the server API: rights, parameters in, results out.
 *
 * @module
 */

import * as v from "valibot";
import { coarseClock } from "../../async/clock.ts";
import { Deadlines } from "../../async/deadlines.ts";
import { type ErrorName, failureOf, ProtocolError } from "../../protocol/mod.ts";
import { API, API_METHODS, isApiMethod } from "../../protocol/api/table.ts";
import type { ApiCommand, ApiMethod, ApiReply, ApiRight } from "../../protocol/api/types.ts";
import { isJson } from "../../protocol/json.ts";
import { nearest } from "../../protocol/nearest.ts";
import type { ApiResultName } from "./api_counters.ts";
import type { HttpDeps } from "./deps.ts";

/** Milliseconds a method may take. */
const API_TIMEOUT = 10_000;
/** Milliseconds that the calls of a batch may take together. */
const BATCH_TIMEOUT = 60_000;
/** Calls of a batch that may be under way at once. */
const OVERLAP = 256;
/** Levels of arrays and objects in the parameters of a call: those of a message's data, in a batch. */
const MAX_DEPTH = 40;
/** Most characters of an `Idempotency-Key`: with the number of a line or a command it is a message id. */
const MAX_KEY = 56;

/** Who calls. */
export interface Caller {
  readonly rights: ReadonlySet<ApiRight>;
  /** The id of what is published, when the parameters have none. */
  readonly idempotencyKey?: string | undefined;
}

/** The `Idempotency-Key` of a request. Throws ProtocolError `bad_request` when it is not 1 to 56 printable characters. */
export function idempotencyKeyOf(headers: Headers): string | undefined {
  const key = headers.get("idempotency-key");
  if (key === null) return undefined;
  if (key.length <= MAX_KEY && /^[!-~]+$/.test(key)) return key;
  throw new ProtocolError(
    "bad_request",
    `Idempotency-Key: 1 to ${MAX_KEY} printable ASCII characters without spaces`,
  );
}

/** The caller of one of several calls in a request: each message has an id of its own. */
export function callerOf(caller: Caller, index: number): Caller {
  const { rights, idempotencyKey } = caller;
  return idempotencyKey === undefined ? caller : { rights, idempotencyKey: `${idempotencyKey}-${index}` };
}

/** Runs methods of the server API. */
export class ApiRunner {
  readonly #deps: HttpDeps;

  constructor(deps: HttpDeps) {
    this.#deps = deps;
  }

  /**
   * Checks `params` and runs `method`. Rejects with ProtocolError: `unknown_type` for an unknown method,
   * `permission_denied` when the caller has not its right, `bad_payload` for invalid parameters, or the error of the method.
   */
  async run(method: string, params: unknown, caller: Caller): Promise<unknown> {
    if (method !== "batch") {
      return await new Promise((resolve, reject) => this.#start(method, params, caller, resolve, reject));
    }
    if (!isJson(params, MAX_DEPTH + 3)) throw tooDeep();
    return await this.#batch(check(API.batch.params, params).commands, caller);
  }

  /** As `run`, but `done` is told the answer whatever becomes of the call, perhaps before `reply` returns. */
  reply(method: string, params: unknown, caller: Caller, done: (reply: ApiReply) => void): void {
    this.#start(method, params, caller, (result) => done({ result }), (error) => {
      if (!(error instanceof ProtocolError)) this.#deps.log("error", "api_failed", { method, error });
      done({ error: failureOf(error) });
    });
  }

  /** Calls begin in their order; one waits for those before it unless they and it may overlap. */
  async #batch(commands: readonly ApiCommand[], caller: Caller): Promise<{ replies: ApiReply[] }> {
    const end = performance.now() + BATCH_TIMEOUT;
    const replies: Promise<ApiReply>[] = [];
    let begun = 0;
    for (const [index, { method, params }] of commands.entries()) {
      const overlaps = isApiMethod(method) && API[method].overlaps === true;
      if (!overlaps || replies.length - begun >= OVERLAP) {
        await Promise.all(replies.slice(begun));
        begun = replies.length;
      }
      const reply = performance.now() < end
        ? new Promise<ApiReply>((resolve) => this.reply(method, params, callerOf(caller, index), resolve))
        : Promise.resolve({
          error: failureOf(new ProtocolError("not_available", "the batch took too long")),
        });
      replies.push(reply);
      if (!overlaps) {
        await reply;
        begun = replies.length;
      }
    }
    return { replies: await Promise.all(replies) };
  }

  /** Calls `ok` or `failed` once. Callbacks, because promises would be a third of what a message in bulk costs. */
  #start(
    method: string,
    params: unknown,
    caller: Caller,
    ok: (result: unknown) => void,
    failed: (error: unknown) => void,
  ): void {
    const began = clock.now();
    const counted = (result: ApiResultName) => this.#deps.apiCall?.(method, result, clock.now() - began);
    const succeed = (result: unknown) => {
      counted("ok");
      ok(result);
    };
    const fail = (error: unknown) => {
      counted(error instanceof ProtocolError ? error.error : "internal");
      failed(error);
    };
    let result: unknown;
    try {
      result = this.#call(method, params, caller);
    } catch (error) {
      return fail(error);
    }
    if (!(result instanceof Promise)) return succeed(result);
    const wait = deadlines.begin(() => fail(late()));
    result.then((result) => {
      if (deadlines.end(wait)) succeed(result);
    }, (error) => {
      if (deadlines.end(wait)) fail(error);
    });
  }

  #call(method: string, params: unknown = {}, { rights, idempotencyKey }: Caller): unknown {
    if (!isApiMethod(method) || method === "batch") throw unknownMethod(method);
    const row = API[method];
    if (row.right !== undefined && !rights.has(row.right)) {
      throw new ProtocolError("permission_denied", `the key needs the right ${row.right}`);
    }
    if (!isJson(params, MAX_DEPTH)) throw tooDeep();
    const checked = check(row.params as v.GenericSchema<unknown, Record<string, unknown>>, params);
    const { api } = this.#deps;
    const run = api[method] as ((params: unknown) => unknown) | undefined;
    if (run === undefined) throw new ProtocolError("unknown_type", "not offered by this service");
    const named = idempotencyKey === undefined || checked.id !== undefined || !takesId(method)
      ? checked
      : { ...checked, id: idempotencyKey };
    return run.call(api, named);
  }
}

/** Methods whose effect has an id: sent again with it they have no second effect. */
const WITH_ID: ReadonlySet<ApiMethod> = new Set<ApiMethod>([
  "publish",
  "broadcast",
  "direct",
  "edit",
  "delete",
]);

/** Whether a method takes an `id`. */
export function takesId(method: ApiMethod): boolean {
  return WITH_ID.has(method);
}

function unknownMethod(method: string): ProtocolError {
  if (method === "batch") return new ProtocolError("unknown_type", "no batch within a batch");
  return new ProtocolError("unknown_type", `no such method; did you mean ${nearest(method, API_METHODS)}?`);
}

function tooDeep(): ProtocolError {
  return new ProtocolError("bad_payload", `JSON of at most ${MAX_DEPTH} levels, without the key __proto__`);
}

function check<T>(schema: v.GenericSchema<unknown, T>, params: unknown): T {
  const result = v.safeParse(schema, params, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue);
  const name: ErrorName = "bad_payload";
  throw new ProtocolError(name, path === null ? issue.message : `${path.slice(0, 64)}: ${issue.message}`);
}

const clock = coarseClock();
const deadlines = new Deadlines(API_TIMEOUT, clock, clock.now);
const late = () => new ProtocolError("not_available", "the method did not finish in time");

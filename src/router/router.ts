/**
 * From a message's type to its handler, through the middleware.
 *
 * @module
 */

import { ProtocolError } from "../protocol/mod.ts";
import type { Context, Handler, Middleware, Route } from "./types.ts";

interface Entry {
  readonly run: Handler;
  readonly idempotent: boolean;
  readonly datagram: boolean;
}

/**
 * The routes of a service. Middleware is composed once, in order, the first one outermost. A synchronous handler
 * behind synchronous middleware costs no promise.
 */
export class Router {
  readonly #routes = new Map<string, Entry>();

  /** Throws TypeError when two routes are for one type. */
  constructor(routes: readonly Route[], middleware: readonly Middleware[] = []) {
    for (const { type, handler, idempotent = false, datagram = false } of routes) {
      if (this.#routes.has(type)) throw new TypeError(`two routes for ${type}`);
      this.#routes.set(type, { run: compose(handler, middleware), idempotent, datagram });
    }
  }

  /** The types that have a route. */
  get types(): string[] {
    return [...this.#routes.keys()];
  }

  /**
   * Hands a message to its handler. Throws ProtocolError `unknown_type`; `bad_request` for a datagram of a type that
   * may not come as one; `too_early` for early data that may not be acted on twice; and whatever the handler throws.
   * A promise rejects with the same.
   */
  dispatch(context: Context): void | Promise<void> {
    const entry = this.#routes.get(context.message.type);
    if (entry === undefined) throw new ProtocolError("unknown_type");
    if (context.datagram && !entry.datagram) {
      throw new ProtocolError("bad_request", "this type does not travel as a datagram");
    }
    if (context.early && !entry.idempotent) throw new ProtocolError("too_early");
    return entry.run(context);
  }
}

function compose(handler: Handler, middleware: readonly Middleware[]): Handler {
  return middleware.reduceRight<Handler>(
    (next, layer) => (context) => layer(context, () => next(context)),
    handler,
  );
}

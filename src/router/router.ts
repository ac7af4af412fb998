/**
 * From a message's type to its handler, through the middleware.
 *
 * @module
 */

import { clientRow, ProtocolError } from "../protocol/mod.ts";
import type { Context, Handler, Middleware, Route } from "./types.ts";

/**
 * The routes of a service. Middleware is composed once, in order, the first one outermost. A synchronous handler
 * behind synchronous middleware costs no promise.
 */
export class Router {
  readonly #routes = new Map<string, Handler>();

  /** Throws TypeError when two routes are for one type, and for a type that no client sends. */
  constructor(routes: readonly Route[], middleware: readonly Middleware[] = []) {
    for (const { type, handler } of routes) {
      if (clientRow(type) === undefined) throw new TypeError(`${type} is not in the table of message types`);
      if (this.#routes.has(type)) throw new TypeError(`two routes for ${type}`);
      this.#routes.set(type, compose(handler, middleware));
    }
  }

  /** The types that have a route. */
  get types(): string[] {
    return [...this.#routes.keys()];
  }

  /**
   * Hands a message to its handler. Throws ProtocolError `unknown_type`, what `checkArrival` throws, and whatever the
   * handler throws. A promise rejects with the same.
   */
  dispatch(context: Context): void | Promise<void> {
    const run = this.#routes.get(context.message.type);
    if (run === undefined) throw new ProtocolError("unknown_type");
    checkArrival(context);
    return run(context);
  }
}

/**
 * Whether a message may be acted on as it came. Throws ProtocolError `bad_request` for a datagram of a type that does
 * not travel as one, and `too_early` for early data of a type that is not idempotent.
 */
export function checkArrival({ message, datagram, early }: Context): void {
  if (!datagram && !early) return;
  const row = clientRow(message.type);
  if (datagram && row?.datagram !== true) {
    throw new ProtocolError("bad_request", "this type does not travel as a datagram");
  }
  if (early && row?.idempotent !== true) throw new ProtocolError("too_early");
}

function compose(handler: Handler, middleware: readonly Middleware[]): Handler {
  return middleware.reduceRight<Handler>(
    (next, layer) => (context) => layer(context, () => next(context)),
    handler,
  );
}

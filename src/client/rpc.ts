/**
 * Calls that the application's own logic at the service answers, as a part of its own: a function there, or a back end
 * behind it.
 *
 * @module
 */

import { type Message, type Payload, uuidv7 } from "../protocol/core.ts";
import { handled } from "../async/deferred.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { SkeinClient } from "./client.ts";
import { SkeinError } from "./errors.ts";

/** Options of `rpc`. */
export interface RpcOptions {
  /** Milliseconds that the call may take, the wait for a connection included. @default 10000 */
  readonly timeout?: number;
  /** Gives the call up; it may be carried out nevertheless. */
  readonly signal?: AbortSignal;
  /** @default the runtime's */
  readonly clock?: Clock;
}

/**
 * Calls a method; resolves with what it was answered with, undefined without any. Without a connection it waits for one.
 *
 * A call is sent once. Rejects with `connection_lost` when the connection is lost before the answer came: whether it was
 * carried out is not known then, and only the application knows whether it may be made again. Rejects with `timeout`, with
 * the server's error (`unknown_method`, `not_available`, what the method is answered with), with `closed`, and with the
 * signal's reason.
 */
export function rpc<T = unknown>(
  client: SkeinClient,
  method: string,
  data?: unknown,
  options: RpcOptions = {},
): Promise<T> {
  return handled(call(client, method, data, options) as Promise<T>);
}

async function call(
  client: SkeinClient,
  method: string,
  data: unknown,
  { timeout = 10_000, signal, clock = systemClock }: RpcOptions,
): Promise<unknown> {
  const late = new AbortController();
  const cancel = clock.after(timeout, () => {
    late.abort(SkeinError.temporary("timeout", `no answer to ${method} within ${timeout} ms`));
  });
  const payload: Payload = data === undefined ? { method } : { method, data };
  let answer: unknown;
  const take = (message: Message): boolean => {
    if (message.type !== "rpc_response") {
      throw new SkeinError("bad_request", `rpc was answered with ${message.type}`);
    }
    answer = message.payload.data;
    return true;
  };
  try {
    await client.manager.follow({
      id: uuidv7(),
      type: "rpc",
      payload,
      take,
      // A little longer: the timer above names the method.
      timeout: timeout + 1000,
      signal: signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]),
    });
    return answer;
  } finally {
    cancel();
  }
}

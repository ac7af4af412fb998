/**
 * Calls that the application's own logic at the service answers: a function there, or a back end behind it.
 *
 * @module
 */

import { type Message, type Payload, uuidv7 } from "../protocol/core.ts";
import type { Clock } from "./clock.ts";
import { SkeinError } from "./errors.ts";
import type { TransportManager } from "./transport_manager.ts";

/** Options of `SkeinClient.rpc`. */
export interface RpcOptions {
  /** Milliseconds that the call may take, the wait for a connection included. @default 10000 */
  readonly timeout?: number;
  /** Gives the call up; it may be carried out nevertheless. */
  readonly signal?: AbortSignal;
}

/** Calls a method; see `SkeinClient.rpc`. */
export async function rpc(
  manager: TransportManager,
  clock: Clock,
  method: string,
  data: unknown,
  { timeout = 10_000, signal }: RpcOptions,
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
    await manager.follow({
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

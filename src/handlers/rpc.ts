/**
 * `rpc`: calls that the application's own logic answers, on this node.
 *
 * @module
 */

import { type Clock, systemClock } from "../async/clock.ts";
import { deadline } from "../async/deadline.ts";
import { fitsEveryForm, isJson, parsePayload, type Payload, ProtocolError } from "../protocol/mod.ts";
import type { Client, Route, StateKey } from "../router/types.ts";
import type { HandlerParts } from "./contract.ts";

/** Calls of one connection at once: each holds memory here and at the responder until it is answered. */
const MAX_CALLS = 32;
/** Milliseconds after which a client with too many calls may try again. */
const BUSY = { retryAfter: 500 };
/** Bytes around the data of an answer: its envelope. */
const AROUND = 256;

const CALLS: StateKey<{ count: number }> = { create: () => ({ count: 0 }) };

/** The route of calls. */
export function rpcRoutes({ hub, rpcTimeout = () => 10_000, clock = systemClock }: HandlerParts): Route[] {
  return [{
    type: "rpc",
    handler: async (context) => {
      const { client, message } = context;
      const { method, data } = parsePayload("rpc", message.payload);
      const responder = hub.responders.of(method);
      if (responder === undefined) throw new ProtocolError("unknown_method");
      const calls = client.state(CALLS);
      if (calls.count >= MAX_CALLS) {
        throw new ProtocolError("not_available", `${MAX_CALLS} calls at once`, BUSY);
      }
      calls.count++;
      try {
        const call = (signal: AbortSignal) => responder.call(method, data, client, signal);
        const answer = await inTime(call, client, rpcTimeout(), clock);
        context.reply("rpc_response", payloadOf(answer, client.limits.maxMessage));
      } finally {
        calls.count--;
      }
    },
  }];
}

/** Waits for an answer, and tells who makes it when nobody waits any more. */
async function inTime(
  call: (signal: AbortSignal) => unknown,
  client: Client,
  timeout: number,
  timers: Clock,
): Promise<unknown> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, client.closed]);
  const late = () => {
    const error = new ProtocolError("not_available", "the method did not answer in time");
    over.abort(error);
    return error;
  };
  try {
    return await deadline(Promise.resolve(call(signal)), timeout, late, { signal: client.closed, timers });
  } finally {
    over.abort();
  }
}

/** Throws what the client is told of an answer that cannot be sent. */
function payloadOf(answer: unknown, maxMessage: number): Payload {
  if (answer === undefined) return {};
  if (!isJson(answer)) {
    throw new Error("a method was answered with what is no JSON value of at most 32 levels");
  }
  const payload = { data: answer };
  if (!fitsEveryForm(payload, maxMessage - AROUND)) {
    throw new ProtocolError("message_too_large", "the answer is larger than a message may be");
  }
  return payload;
}

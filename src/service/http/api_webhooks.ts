/**
 * The methods of the server API that are about webhooks.
 *
 * @module
 */

import { ProtocolError } from "../../protocol/mod.ts";
import type { DeadLetter, EndpointWorker } from "../../webhooks/mod.ts";
import type { ApiDeadLetter } from "../../protocol/api/webhook_types.ts";
import type { ServerApi } from "./api_contract.ts";

/** Dead letters that are read at once, and told when nothing else is said. */
const PAGE = 100;
/** Dead letters that one call sends again. */
const MAX_RESENT = 1000;

/** Makes the methods. `workers`: the endpoints that are configured now. */
export function createWebhookMethods(
  workers: () => readonly EndpointWorker[],
): Required<Pick<ServerApi, "webhooks" | "webhook_dead" | "webhook_resend">> {
  const queueOf = (endpoint: string) => {
    const worker = workers().find((worker) => worker.endpoint.name === endpoint);
    if (worker === undefined) {
      throw new ProtocolError("bad_payload", "endpoint: no such endpoint is configured");
    }
    return worker.queue;
  };
  return {
    async webhooks() {
      const endpoints = await Promise.all(
        workers().map(async ({ endpoint, queue, breaker, isTelling }) => ({
          name: endpoint.name,
          events: [...endpoint.events],
          breaker,
          telling: isTelling,
          waiting: await queue.waiting(),
          dead: await queue.countDead(),
        })),
      );
      return { endpoints };
    },

    async webhook_dead({ endpoint, after = 0, limit = PAGE }) {
      const { letters, last, more } = await queueOf(endpoint).dead(after, limit);
      return { letters: letters.map(shown), last, more };
    },

    async webhook_resend({ endpoint, offsets }) {
      const queue = queueOf(endpoint);
      let resent = 0;
      for (const offset of offsets ?? await deadOf(queue)) if (await queue.revive(offset)) resent++;
      return { resent };
    },
  };
}

/** The offsets of the oldest dead letters. */
async function deadOf(queue: EndpointWorker["queue"]): Promise<number[]> {
  const offsets: number[] = [];
  for (let since = 0, more = true; more && offsets.length < MAX_RESENT;) {
    const page = await queue.dead(since, PAGE);
    offsets.push(...page.letters.map(({ offset }) => offset));
    since = page.last;
    more = page.more;
  }
  return offsets.slice(0, MAX_RESENT);
}

function shown({ offset, event, at, attempts, failure }: DeadLetter): ApiDeadLetter {
  const { id, type, timestamp, data } = event;
  return { offset, id, type, timestamp, data: { ...data }, at, attempts, failure };
}

/**
 * Where endpoints take part: hooks of publications, connections and subscriptions, calls of clients.
 *
 * @module
 */

import type { Hub } from "../../hub/mod.ts";
import type { MaybePromise } from "../../engine/contract.ts";
import {
  endedEvent,
  type EndpointWorker,
  MESSAGE_TYPES,
  messageEvent,
  type WebhookEvent,
} from "../../webhooks/mod.ts";

/** Keeps an event for an endpoint; a promise when that takes a commit. */
export type Keep = (worker: EndpointWorker, event: WebhookEvent) => MaybePromise<unknown>;

/** Lets an endpoint take part in what it is configured for, and in nothing else. */
export function takePart(hub: Hub, worker: EndpointWorker, keep: Keep): void {
  const { endpoint: { events, channels, methods }, decider } = worker;
  const name = nameOf(worker);
  const decides = events.includes("publish");
  const isTold = events.includes("message") || events.includes("file");
  if (decides || isTold) {
    hub.addHook({
      name,
      types: MESSAGE_TYPES,
      ...decides && {
        // A back end that publishes need not be asked about its own messages.
        before: (publication) =>
          publication.client === undefined || !worker.wants("publish", publication.channel)
            ? undefined
            : decider.publish(publication),
        // Or what is refused as a message could be streamed.
        beforePiece: (piece) =>
          piece.origin !== "client" || !worker.wants("publish", piece.channel)
            ? undefined
            : decider.piece(piece),
      },
      ...isTold && {
        // A message is acknowledged once its event is kept: a sender without an acknowledgement sends it again.
        awaited: true,
        after: (publication, published): MaybePromise<void> => {
          const event = publication.origin === "file" ? "file" : "message";
          if (!worker.wants(event, publication.channel)) return;
          return told(keep(worker, messageEvent(publication, published, Date.now())));
        },
        ended: (publication, published): MaybePromise<void> =>
          worker.wants("message", publication.channel)
            ? told(keep(worker, endedEvent(publication, published, Date.now())))
            : undefined,
      },
    });
  }
  if (events.includes("connect") || events.includes("subscribe")) {
    hub.admissions.add({
      name,
      channels,
      ...events.includes("connect") && { connect: (attempt) => decider.connect(attempt) },
      ...events.includes("subscribe") && {
        subscribe: (attempt) => decider.subscribe(attempt),
        read: (attempt) => decider.read(attempt),
      },
    });
  }
  if (events.includes("rpc")) {
    hub.responders.add({ name, methods, call: (...call) => decider.call(...call) });
  }
}

function told(kept: MaybePromise<unknown>): MaybePromise<void> {
  return kept instanceof Promise ? kept.then(() => {}) : undefined;
}

/** Takes an endpoint out again. */
export function takeLeave(hub: Hub, worker: EndpointWorker): void {
  const name = nameOf(worker);
  hub.removeHook(name);
  hub.admissions.remove(name);
  hub.responders.remove(name);
}

function nameOf({ endpoint }: EndpointWorker): string {
  return `webhook ${endpoint.name}`;
}

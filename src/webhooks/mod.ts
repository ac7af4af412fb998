/**
 * Webhooks: what back ends decide, are told of, and are called for, over HTTP.
 *
 * @module
 */

export { DECISIONS, type Endpoint, EVENTS, type WebhookEvent } from "./contract.ts";
export type { CourierEvents } from "./courier.ts";
export type { DecisionEvents } from "./decisions.ts";
export { endedEvent, MESSAGE_TYPES, messageEvent, SessionNotifications } from "./events.ts";
export type { DeadLetter } from "./queue.ts";
export { Sender } from "./sender.ts";
export { readSecret } from "./signature.ts";
export { EndpointWorker } from "./worker.ts";

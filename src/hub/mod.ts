/**
 * Channels with their members on this node, sessions' seats, presence, fan-out.
 *
 * @module
 */

export { deliveryOf } from "./channel.ts";
export * from "./contract.ts";
export type { PublishHook } from "./hooks.ts";
export { Hub } from "./hub.ts";
export * from "./publication.ts";
export { SESSION_EVENTS, type SessionEvent } from "./session_events.ts";
export * from "./settings.ts";

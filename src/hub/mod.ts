/**
 * The hub of a node: who is on which channel, and what they are sent.
 *
 * @module
 */

export type { ClaimAdditions, ConnectAttempt, SubscribeAttempt } from "./admissions.ts";
export type { ReadAttempt } from "./read_decisions.ts";
export type * from "./bot_contract.ts";
export { HELP, matching } from "./bot_help.ts";
export { readLine, usageOf } from "./bot_line.ts";
export type { BotService } from "./bot_service.ts";
export { isDeliverable, shownPayload } from "./deliverable.ts";
export { deliveryOf } from "./channel.ts";
export { type Checkpoint, readPositionOf } from "./checkpoints.ts";
export * from "./contract.ts";
export type { PublishHook } from "./hooks.ts";
export { Hub } from "./hub.ts";
export * from "./publication.ts";
export { SESSION_EVENTS, type SessionEvent } from "./session_events.ts";
export * from "./settings.ts";

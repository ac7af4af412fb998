/**
 * Options and answers of the hub.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import type { Engine, Position } from "../engine/contract.ts";
import type { ErrorName, Principal } from "../protocol/mod.ts";
import type { ClaimAdditions } from "./admissions.ts";
import type { CommandLimits } from "./bot_contract.ts";
import type { Coalescer } from "./coalescer.ts";
import type { NamespaceLookup } from "./settings.ts";

/** What a hub is made of. */
export interface HubOptions {
  readonly engine: Engine;
  /** Asked for each use, so that changed settings hold at once. */
  readonly namespace: NamespaceLookup;
  /** Channels of one session, beside its inbox and the broadcast channel. @default 128 */
  readonly maxChannels?: () => number;
  /** Bytes that the payload of a message may take, in JSON and in MessagePack. @default 65536 */
  readonly maxMessage?: () => number;
  /** Milliseconds that a hook may hold a publication, a connection or a subscription. @default 5000 */
  readonly hookPatience?: number;
  /** `principal` with more claims. Throws ProtocolError `bad_payload`. @default nothing is added */
  readonly extend?: (principal: Principal, claims: ClaimAdditions) => Principal;
  /** Milliseconds a presence lease lasts; it is renewed three times in that. @default 30000 */
  readonly presenceTtl?: number;
  /**
   * Milliseconds that presence shows a session which came back without naming a channel it was on. It may subscribe
   * again in that time without being seen to leave. @default 10000
   */
  readonly presenceGrace?: number;
  /** Asked for each command to a bot. @default 30 seconds of silence, 10 minutes in all */
  readonly commandLimits?: () => CommandLimits;
  readonly replay?: ReplayOptions;
  /** @default the runtime's clock */
  readonly clock?: Clock;
  /** Says when deliveries wait for others. @default one that holds them back under load */
  readonly coalescer?: Coalescer;
  /** Told of failures that nobody waits for. @default ignored */
  readonly failed?: (error: unknown, stage: string) => void;
}

/** How subscriptions catch up. */
export interface ReplayOptions {
  /** Messages read from the engine at once. @default 100 */
  readonly page: number;
  /** Messages a channel keeps at hand while a subscription catches up; older ones are read again. At least 1. @default 256 */
  readonly tail: number;
}

/** Where a channel stands after subscribing or resuming. */
export interface ChannelState {
  readonly epoch: string;
  /** The last message of the channel now. */
  readonly offset: number;
  /** Everything after `since` follows. False without `since`, and when the gap is longer than the history. */
  readonly recovered: boolean;
}

/** Where a client says it stands, by channel; `lane` is where deliveries are to go. @default lane 0 */
export type ResumePoints = Readonly<Record<string, Position & { readonly lane?: number }>>;

/** A subscription; nothing is delivered before `start`. */
export interface Subscribed {
  readonly state: ChannelState;
  /** Sends what was missed and lets live deliveries follow. Calling it again does nothing. */
  start(): void;
  /** Ends it, when it was not started and nothing has taken its place: nobody would ever start it. */
  abandon(): void;
}

/** What `Hub.attach` did; nothing is delivered before `start`. */
export interface Attached {
  readonly channels: Readonly<Record<string, ChannelState>>;
  /** Channels that could not be resumed, and why. */
  readonly refused: Readonly<Record<string, ErrorName>>;
  /** Sends what was missed and lets live deliveries follow. */
  start(): void;
}

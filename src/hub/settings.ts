/**
 * Settings of namespaces, and who may do what on their channels. Pure.
 *
 * @module
 */

import type { Retention } from "../engine/contract.ts";
import {
  BROADCAST_CHANNEL,
  type ErrorName,
  inboxOf,
  isChannel,
  matchesAny,
  namespaceOf,
  type Principal,
} from "../protocol/mod.ts";

/** Who may do something: those whose token names the channel, everybody with a token, or nobody. */
export type Access = "claims" | "all" | "none";

/** How the channels of a namespace behave. */
export interface NamespaceSettings {
  /** How messages are kept. @default 1000 messages, 1 day */
  readonly retention: Retention;
  /** Whether clients may ask who is on a channel. @default true */
  readonly presence: boolean;
  /** `user_online` and `user_offline` are pushed; needs `presence`. @default true */
  readonly joinLeave: boolean;
  /** Sessions on one channel of this node. @default 10000 */
  readonly maxSubscribers: number;
  /** Bytes that a streamed message may grow to; never more than `maxMessage`. @default 65536 */
  readonly maxStreamed: number;
  /** Documents alone: milliseconds without a change after which one is forgotten; 0: never. @default 0 */
  readonly maxAge?: number;
  /** Milliseconds after which a streamed message that does not grow is ended with `interrupted`. @default 30000 */
  readonly streamPatience: number;
  /** Messages that begin with a slash and a name are commands to bots. @default true */
  readonly commands: boolean;
  /** @default "claims" */
  readonly subscribe: Access;
  /** @default "claims" */
  readonly publish: Access;
}

/**
 * Operations of documents are kept until a snapshot covers them: their age and number drop none. A hundred years and a
 * thousand million stand for "never", because engines calculate with them.
 */
export const DOCUMENT_RETENTION: Retention = { size: 1_000_000_000, age: 36_525 * 86_400_000 };

/** The settings of a namespace that has none of its own. Exported for tests. */
export const DEFAULT_NAMESPACE: NamespaceSettings = {
  retention: { size: 1000, age: 86_400_000 },
  presence: true,
  joinLeave: true,
  maxSubscribers: 10_000,
  maxStreamed: 65_536,
  streamPatience: 30_000,
  commands: true,
  subscribe: "claims",
  publish: "claims",
};

/** The settings of a namespace; undefined when it does not exist. */
export type NamespaceLookup = (namespace: string) => NamespaceSettings | undefined;

/** Whether `channel` is an inbox or a broadcast channel: sessions are subscribed to theirs without asking. */
export function isBuiltIn(channel: string): boolean {
  return channel.startsWith("user:") || channel.startsWith("broadcast:");
}

/** Whether `channel` is a document: `doc:*`. */
export function isDocument(channel: string): boolean {
  return channel.startsWith("doc:");
}

/** The settings of a channel; undefined when its namespace does not exist. `user` and `broadcast` always exist. */
export function settingsOf(channel: string, lookup: NamespaceLookup): NamespaceSettings | undefined {
  return lookup(namespaceOf(channel)) ?? (isBuiltIn(channel) ? DEFAULT_NAMESPACE : undefined);
}

/**
 * Why `principal` may not read `channel` (subscribe, history, presence), or undefined when it may. An inbox is its
 * user's alone, whatever the token's patterns say.
 */
export function refuseSubscribe(
  principal: Principal,
  channel: string,
  lookup: NamespaceLookup,
): ErrorName | undefined {
  if (isBuiltIn(channel)) {
    return channel === BROADCAST_CHANNEL || channel === inboxOf(principal.userId)
      ? undefined
      : "permission_denied";
  }
  if (!isChannel(channel)) return "bad_payload";
  const settings = lookup(namespaceOf(channel));
  if (settings === undefined) return "unknown_channel";
  return grants(settings.subscribe, principal.subscribe, channel) ? undefined : "permission_denied";
}

/** Why `principal` may not publish to `channel` by `chat_message`, or undefined when it may. */
export function refusePublish(
  principal: Principal,
  channel: string,
  lookup: NamespaceLookup,
): ErrorName | undefined {
  if (isBuiltIn(channel)) return "permission_denied";
  const settings = lookup(namespaceOf(channel));
  if (settings === undefined) return "unknown_channel";
  return mayPublish(principal, channel, settings) ? undefined : "permission_denied";
}

/** Whether `principal` may publish to a channel with these settings that is neither an inbox nor the broadcast channel. */
export function mayPublish(principal: Principal, channel: string, settings: NamespaceSettings): boolean {
  return grants(settings.publish, principal.publish, channel);
}

function grants(access: Access, patterns: readonly string[], channel: string): boolean {
  return access === "all" || (access === "claims" && matchesAny(patterns, channel));
}

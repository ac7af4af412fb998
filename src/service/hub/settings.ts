/**
 * The sections `namespaces` and `bots` of the configuration: how channels behave, and commands.
 *
 * @module
 */

import * as v from "valibot";
import type { NamespaceLookup, NamespaceSettings } from "../../hub/mod.ts";
import type { Values } from "../config/section.ts";
import { choice, duration, flag, integer, size } from "../config/setting.ts";

const ACCESS = ["claims", "all", "none"] as const;

const fields = {
  historySize: integer(0, 1_000_000, "Messages kept for each channel; 0 keeps none."),
  historyAge: duration(0, 365 * 86_400_000, "How long a message is kept."),
  presence: flag("Whether clients may ask who is on a channel."),
  joinLeave: flag("Whether members of a channel are told who comes and goes."),
  maxSubscribers: integer(1, 1_000_000, "Sessions on this node that may be on one channel."),
  maxStreamed: size(
    1024,
    64 * 1024 ** 2,
    "What a streamed message may grow to; `session.maxMessage` holds too.",
  ),
  streamPatience: duration(
    1000,
    86_400_000,
    "After which time a streamed message that does not grow is ended.",
  ),
  maxAge: duration(
    0,
    3650 * 86_400_000,
    "Documents alone: after which time without a change a document is forgotten; 0 keeps it.",
  ),
  commands: flag("Whether a message that begins with a slash and a name is a command to a bot."),
  subscribe: choice(
    ACCESS,
    "Who may read: those whose token names the channel, everybody with a token, or nobody.",
  ),
  publish: choice(ACCESS, "Who may publish messages, likewise."),
};

const fallback = v.strictObject({
  historySize: v.optional(fields.historySize, 1000),
  historyAge: v.optional(fields.historyAge, "24h"),
  presence: v.optional(fields.presence, true),
  joinLeave: v.optional(fields.joinLeave, true),
  maxSubscribers: v.optional(fields.maxSubscribers, 10_000),
  maxStreamed: v.optional(fields.maxStreamed, "64KiB"),
  streamPatience: v.optional(fields.streamPatience, "30s"),
  maxAge: v.optional(fields.maxAge, 0),
  commands: v.optional(fields.commands, true),
  subscribe: v.optional(fields.subscribe, "claims"),
  publish: v.optional(fields.publish, "claims"),
});

const namespace = v.strictObject({
  historySize: v.exactOptional(fields.historySize),
  historyAge: v.exactOptional(fields.historyAge),
  presence: v.exactOptional(fields.presence),
  joinLeave: v.exactOptional(fields.joinLeave),
  maxSubscribers: v.exactOptional(fields.maxSubscribers),
  maxStreamed: v.exactOptional(fields.maxStreamed),
  streamPatience: v.exactOptional(fields.streamPatience),
  maxAge: v.exactOptional(fields.maxAge),
  commands: v.exactOptional(fields.commands),
  subscribe: v.exactOptional(fields.subscribe),
  publish: v.exactOptional(fields.publish),
});

/** How a namespace's channels behave. Times in milliseconds. */
type Namespace = v.InferOutput<typeof fallback>;

/** Names a namespace may have: what stands before the first `:` of a channel. */
export const NAMESPACE = /^[a-z][a-z0-9_-]{0,31}$/;

/**
 * `namespaces`: `default` holds for channels of every namespace that has no entry, and for what an entry
 * leaves out. After parsing every entry is complete, and the object has no prototype: names come from clients.
 */
const namespaces = v.pipe(
  v.objectWithRest({ default: v.optional(fallback, {}) }, namespace),
  v.transform((given): { default: Namespace; [name: string]: Namespace } => {
    const complete: { default: Namespace; [name: string]: Namespace } = Object.create(null);
    complete.default = given.default;
    for (const [name, own] of Object.entries(given)) {
      if (name === "default") continue;
      const merged: Record<string, unknown> = { ...given.default };
      for (const [key, value] of Object.entries(own)) if (value !== undefined) merged[key] = value;
      complete[name] = merged as Namespace;
    }
    return complete;
  }),
);

/** `bots`: how long a command may take. */
const bots = v.strictObject({
  timeout: v.optional(
    duration(
      1000,
      3_600_000,
      "After which silence of a bot on a connection its command ends with `timeout`.",
    ),
    "30s",
  ),
  longest: v.optional(
    duration(1000, 86_400_000, "How long an answer may take in all, whatever the bot says meanwhile."),
    "10m",
  ),
});

/** What a configuration may hold. */
export const section = { namespaces: v.optional(namespaces, {}), bots: v.optional(bots, {}) };

/** What the configuration holds of it. */
export type HubConfig = Values<typeof section>;

/** The settings of channels by namespace; what has no entry behaves as `default` says. */
export function namespaceLookup(config: HubConfig): NamespaceLookup {
  const known = new Map<string, NamespaceSettings>();
  for (
    const [name, { historySize, historyAge, maxSubscribers, ...others }] of Object.entries(config.namespaces)
  ) {
    known.set(name, {
      ...others,
      maxSubscribers: maxSubscribers === 0 ? Infinity : maxSubscribers,
      retention: { size: historySize, age: historyAge },
    });
  }
  return (namespace) => known.get(namespace) ?? known.get("default");
}

/**
 * Settings of channels, of the engine, and of what operators see.
 *
 * @module
 */

import * as v from "valibot";
import { about, choice, duration, flag, integer, size, text } from "../setting.ts";

const ACCESS = ["claims", "all", "none"] as const;

const fields = {
  historySize: integer(0, 1_000_000, "Messages kept for each channel; 0 keeps none."),
  historyAge: duration(0, 365 * 86_400_000, "How long a message is kept."),
  presence: flag("Whether clients may ask who is on a channel."),
  joinLeave: flag("Whether members of a channel are told who comes and goes."),
  maxSubscribers: integer(1, 1_000_000, "Sessions on this node that may be on one channel."),
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
  subscribe: v.optional(fields.subscribe, "claims"),
  publish: v.optional(fields.publish, "claims"),
});

const namespace = v.strictObject({
  historySize: v.exactOptional(fields.historySize),
  historyAge: v.exactOptional(fields.historyAge),
  presence: v.exactOptional(fields.presence),
  joinLeave: v.exactOptional(fields.joinLeave),
  maxSubscribers: v.exactOptional(fields.maxSubscribers),
  subscribe: v.exactOptional(fields.subscribe),
  publish: v.exactOptional(fields.publish),
});

/** How a namespace's channels behave. Times in milliseconds. */
export type Namespace = v.InferOutput<typeof fallback>;

/** Names a namespace may have: what stands before the first `:` of a channel. */
export const NAMESPACE = /^[a-z][a-z0-9_-]{0,31}$/;

/**
 * `namespaces`: `default` holds for channels of every namespace that has no entry, and for what an entry
 * leaves out. After parsing every entry is complete, and the object has no prototype: names come from clients.
 */
export const namespaces = v.pipe(
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

/** `engine`: what keeps messages. */
export const engine = v.strictObject({
  kind: v.optional(
    choice(
      ["sqlite", "memory"],
      "What keeps messages. `sqlite` keeps them in a file; `memory` loses them with the process.",
      { restart: true },
    ),
    "sqlite",
  ),
  path: v.optional(
    text(
      "a path",
      "The database of `sqlite`, made with its directory when there is none. Only one process may have it open.",
      { restart: true },
    ),
    "data/skein.db",
  ),
  synchronous: v.optional(
    choice(
      ["normal", "full"],
      "What an acknowledged message survives. `normal`: the end of the process, however it ends (`kill -9`, a crash); the end of the machine (power loss) may take the last ones. `full`: that as well, at the cost of a flush to the disk with each commit.",
      { restart: true },
    ),
    "normal",
  ),
  maxSize: v.optional(
    size(
      0,
      2 ** 44,
      "Bytes the database may have at most; then publishing is answered with `not_available` until old messages have made room. 0: as many as the disk has.",
      { restart: true },
    ),
    0,
  ),
  dedupeWindow: v.optional(
    duration(
      1000,
      86_400_000,
      "How long the id of a published message is known: sent again, it has no second effect.",
      { restart: true },
    ),
    "2m",
  ),
});

/** `documents`: channels `doc:*`. */
export const documents = v.strictObject({
  maxPending: v.optional(
    size(
      1024,
      2 ** 30,
      "Bytes of operations of one document that no snapshot covers; above it operations are answered with `doc_full` until a client sends a snapshot.",
    ),
    "8MiB",
  ),
  maxSnapshot: v.optional(size(1024, 2 ** 28, "Bytes of a document's snapshot."), "16MiB"),
});

/** `api`: the server API. */
export const api = v.strictObject({
  keys: v.optional(
    about(
      v.array(v.pipe(v.string(), v.regex(/^[\x21-\x7e]{16,256}$/))),
      "list",
      "a list of keys of 16 to 256 printable ASCII characters",
      "Keys for `/api`, `/metrics`, `/stats` and `/admin`, given as `X-API-Key` or `Authorization: Bearer`. Without any, these are only on `http.internal`.",
      { secret: true },
    ),
    [],
  ),
});

/** `metrics`: who may read figures. */
export const metrics = v.strictObject({
  public: v.optional(
    flag("Serve `/metrics` and `/stats` on the public listener to everybody, without a key."),
    false,
  ),
});

/** `admin`: the dashboard. */
export const admin = v.strictObject({
  enabled: v.optional(flag("Serve the dashboard `/admin`."), true),
});

/** `log`: the service's log on standard error. */
export const log = v.strictObject({
  level: v.optional(choice(["debug", "info", "warn", "error"], "Least level that is written."), "info"),
  format: v.optional(
    choice(
      ["auto", "json", "text"],
      "`json` is one object a line, `text` is for reading; `auto` is text in a terminal.",
    ),
    "auto",
  ),
});

/** `drain`: the orderly end. */
export const drain = v.strictObject({
  deadline: v.optional(
    duration(0, 3_600_000, "Time from the signal to end until connections that are still open are cut."),
    "10s",
  ),
});

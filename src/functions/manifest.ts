/**
 * What a function says of itself when it is loaded: its commands, and what it is called for.
 *
 * @module
 */

import * as v from "valibot";
import type { Schedule } from "./author/skein.ts";
import { type BotCommandSpec, commandsField, descriptionField, matchesAny } from "../protocol/mod.ts";
import { FunctionError } from "./contract.ts";
import { parseDuration, parseSchedule } from "./schedule.ts";

const name = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9_-]{0,63}$/, "a name of lower case letters, digits, - and _, at most 64"),
);
const patterns = v.pipe(
  v.array(v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,255}$/, "a channel, with * for any run of characters"))),
  v.minLength(1),
  v.maxLength(64),
);

const channels = v.strictObject({ channels: v.optional(patterns) });
const schedule = v.pipe(
  v.union([
    v.strictObject({ every: v.string() }),
    v.strictObject({ cron: v.string(), timezone: v.optional(v.string()) }),
  ]),
  v.check(
    (given) => parseSchedule(given as Schedule) !== undefined,
    '{ every: "10m" } or { cron: "0 9 * * 1" }',
  ),
);

const manifest = v.strictObject({
  description: v.optional(descriptionField()),
  commands: v.optional(
    v.pipe(
      v.record(
        v.string(),
        v.strictObject({
          description: v.optional(v.string()),
          args: v.optional(v.record(v.string(), v.looseObject({}))),
        }),
      ),
      v.transform((given): unknown => Object.entries(given).map(specOf)),
      commandsField(),
    ),
    {},
  ),
  on: v.optional(
    v.strictObject({
      message: v.optional(v.union([
        v.boolean(),
        v.strictObject({ channels: v.optional(patterns), when: v.optional(v.picklist(["before", "after"])) }),
      ])),
      join: v.optional(v.union([v.boolean(), channels])),
      leave: v.optional(v.union([v.boolean(), channels])),
      connect: v.optional(v.boolean()),
      file: v.optional(v.union([v.boolean(), channels])),
      schedule: v.optional(v.pipe(v.record(name, schedule), v.maxEntries(32))),
      http: v.optional(v.union([
        v.boolean(),
        v.strictObject({ methods: v.optional(v.array(v.pipe(v.string(), v.regex(/^[A-Z]{1,16}$/)))) }),
      ])),
      rpc: v.optional(v.strictObject({
        methods: v.pipe(
          v.array(v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,64}$/))),
          v.minLength(1),
          v.maxLength(64),
        ),
      })),
    }),
    {},
  ),
  timeout: v.optional(
    v.pipe(v.string(), v.check((given) => parseDuration(given) !== undefined, 'a time such as "30s"')),
  ),
});

/** What a function says of a command, in the words of the protocol, which are checked there. */
function specOf(
  [name, { description, args }]: readonly [
    string,
    {
      readonly description?: string | undefined;
      readonly args?: Readonly<Record<string, object>> | undefined;
    },
  ],
): Record<string, unknown> {
  const described = description === undefined ? {} : { description };
  if (args === undefined) return { name, ...described };
  return {
    name,
    ...described,
    args: Object.entries(args).map(([name, argument]) => ({ type: "string", ...argument, name })),
  };
}

/** What a function is called for. Complete: what it left out is undefined or empty. */
export interface Manifest {
  readonly description: string | undefined;
  readonly commands: readonly BotCommandSpec[];
  readonly message: { readonly matches: Matches; readonly when: "before" | "after" } | undefined;
  readonly join: Matches | undefined;
  readonly leave: Matches | undefined;
  readonly connect: boolean;
  readonly file: Matches | undefined;
  readonly schedules: Readonly<Record<string, Schedule>>;
  /** Methods of HTTP; `undefined` in it: all. */
  readonly http: { readonly methods: readonly string[] | undefined } | undefined;
  readonly rpc: readonly string[];
  /** Milliseconds. */
  readonly timeout: number | undefined;
}

/** Whether a channel is one of those a function named. */
export type Matches = (channel: string) => boolean;

/** Reads what a function says of itself. Throws FunctionError `load` that names what is wrong. */
export function parseManifest(given: unknown, source: string): Manifest {
  const parsed = v.safeParse(manifest, given);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const where = issue.path?.map(({ key }) => String(key)).join(".") ?? "";
    throw new FunctionError("load", `${source}: ${where}: ${issue.message}`);
  }
  const { description, commands, on, timeout } = parsed.output;
  const { message, join, leave, file, http } = on;
  return {
    description,
    commands,
    message: message === undefined || message === false ? undefined : {
      matches: message === true ? isNoDocument : matcher(message.channels) ?? isNoDocument,
      when: (message === true ? undefined : message.when) ?? "after",
    },
    join: filterOf(join),
    leave: filterOf(leave),
    connect: on.connect === true,
    file: filterOf(file),
    schedules: (on.schedule ?? {}) as Manifest["schedules"],
    http: http === undefined || http === false
      ? undefined
      : { methods: http === true ? undefined : http.methods },
    rpc: on.rpc?.methods ?? [],
    timeout: timeout === undefined ? undefined : parseDuration(timeout),
  };
}

function filterOf(given: boolean | { channels?: string[] | undefined } | undefined): Matches | undefined {
  if (given === undefined || given === false) return undefined;
  return (given === true ? undefined : matcher(given.channels)) ?? (() => true);
}

/** Operations of documents are bytes that say nothing to a function. */
function isNoDocument(channel: string): boolean {
  return !channel.startsWith("doc:");
}

function matcher(patterns: readonly string[] | undefined): Matches | undefined {
  return patterns === undefined ? undefined : (channel) => matchesAny(patterns, channel);
}

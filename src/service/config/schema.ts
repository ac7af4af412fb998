/**
 * The schema of the whole configuration, put together from the sections of the modules, and the types inferred from it.
 *
 * @module
 */

import * as v from "valibot";
import * as certificates from "../certificates/settings.ts";
import * as engine from "../engine/settings.ts";
import * as files from "../files/settings.ts";
import * as functions from "../functions/settings.ts";
import * as handlers from "../handlers/settings.ts";
import * as app from "../http/app_settings.ts";
import * as http from "../http/settings.ts";
import * as hub from "../hub/settings.ts";
import * as log from "../log/settings.ts";
import * as node from "../process/settings.ts";
import * as peers from "../peers/settings.ts";
import * as quic from "../quic/settings.ts";
import * as sessions from "../sessions/settings.ts";
import * as tokens from "../tokens/settings.ts";
import * as webhooks from "../webhooks/settings.ts";
import * as drain from "./drain.ts";
import type { Section } from "./section.ts";

/** All sections, in the order in which the documentation shows them. */
const ALL = {
  node,
  http,
  quic,
  certificates,
  tokens,
  sessions,
  hub,
  engine,
  handlers,
  files,
  functions,
  peers,
  webhooks,
  app,
  log,
  drain,
};

type All = typeof ALL;
/** Turns a union into the intersection of its members. */
type UnionToIntersection<U> = (U extends unknown ? (each: U) => void : never) extends (all: infer I) => void
  ? I
  : never;
type Entries = UnionToIntersection<{ [Name in keyof All]: All[Name]["section"] }[keyof All]>;

/** All sections of the configuration. */
export const SECTIONS: readonly Section<Config>[] = Object.values(ALL);

const entries: v.ObjectEntries = {};
for (const { section } of Object.values(ALL)) Object.assign(entries, section);

/** What may stand in a configuration. */
export const ConfigSchema = v.strictObject(entries as Entries);

/** The effective configuration: complete, durations in milliseconds, sizes in bytes. */
export type Config = v.InferOutput<typeof ConfigSchema>;

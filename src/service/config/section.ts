/**
 * The contract of a section of the configuration: what a module's `settings.ts` exports.
 *
 * @module
 */

import type * as v from "valibot";
import type { Problem } from "./problem.ts";
import type { Config } from "./schema.ts";

/** Says that a rule is broken at `key`. `others` are the other keys it looked at. */
export type Report = (key: string, message: string, ...others: readonly string[]) => void;

/**
 * What must hold between settings. `mode` is the variable SKEIN_ENV as the process got it. A rule says nothing when
 * one of the keys it names is wrong in itself.
 */
export type Rule = (config: Config, report: Report, mode: string | undefined) => void;

/** A section of the configuration. */
export interface Section {
  /** Schemas by top-level key. */
  readonly section: v.ObjectEntries;
  /** @default none */
  readonly rules?: readonly Rule[];
  /** What is wrong with the files that the section names. Reads them; never rejects. @default nothing */
  readonly material?: (config: Config) => Promise<readonly Problem[]>;
}

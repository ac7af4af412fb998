/**
 * The contract of a section of the configuration: what a module's `settings.ts` exports.
 *
 * @module
 */

import type * as v from "valibot";
import type { Problem } from "./problem.ts";

/** What a configuration holds of these schemas, complete: durations in milliseconds, sizes in bytes. */
export type Values<Entries extends v.ObjectEntries> = v.InferOutput<v.StrictObjectSchema<Entries, undefined>>;

/** Says that a rule is broken at `key`. `others` are the other keys it looked at. */
export type Report = (key: string, message: string, ...others: readonly string[]) => void;

/**
 * What must hold between settings; `C` is the part of the configuration that it reads. `mode` is the variable SKEIN_ENV as the process got it. A rule says nothing when
 * one of the keys it names is wrong in itself.
 */
export type Rule<C> = (config: C, report: Report, mode: string | undefined) => void;

/** A section of a configuration `C`. */
export interface Section<C> {
  /** Schemas by top-level key. */
  readonly section: v.ObjectEntries;
  /** @default none */
  readonly rules?: readonly Rule<C>[];
  /** What is wrong with the files that the section names. Reads them; never rejects. @default nothing */
  readonly material?: (config: C) => Promise<readonly Problem[]>;
}

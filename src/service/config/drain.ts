/**
 * The section `drain` of the configuration. The service itself follows it.
 *
 * @module
 */

import * as v from "valibot";
import { duration } from "./setting.ts";

/** `drain`: the orderly end. */
const drain = v.strictObject({
  deadline: v.optional(
    duration(0, 3_600_000, "Time from the signal to end until connections that are still open are cut."),
    "10s",
  ),
});

/** What a configuration may hold. */
export const section = { drain: v.optional(drain, {}) };

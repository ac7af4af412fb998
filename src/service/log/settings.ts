/**
 * The section `log` of the configuration.
 *
 * @module
 */

import * as v from "valibot";
import { choice } from "../config/setting.ts";

/** `log`: the service's log on standard error. */
const log = v.strictObject({
  level: v.optional(choice(["debug", "info", "warn", "error"], "Least level that is written."), "info"),
  format: v.optional(
    choice(
      ["auto", "json", "text"],
      "`json` is one object a line, `text` is for reading; `auto` is text in a terminal.",
    ),
    "auto",
  ),
});

/** What a configuration may hold. */
export const section = { log: v.optional(log, {}) };

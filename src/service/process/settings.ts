/**
 * The settings `env` and `node` of the configuration.
 *
 * @module
 */

import * as v from "valibot";
import type { Rule, Values } from "../config/section.ts";
import { choice, text } from "../config/setting.ts";

/** What a configuration may hold. */
export const section = {
  env: v.optional(
    choice(
      ["development", "production"],
      "`development` makes a certificate and a token secret of its own where none is configured; `production` refuses to start without them.",
      { restart: true },
    ),
    "development",
  ),
  node: v.optional(
    v.nullable(
      text("a name", "Name of this node in logs, metrics and `/stats`; `null` takes the host's name.", {
        restart: true,
      }),
    ),
    null,
  ),
};

/** What the configuration holds of it. */
export type NodeConfig = Values<typeof section>;

/** What must hold. */
export const rules: readonly Rule<NodeConfig>[] = [
  ({ env }, report, mode) => {
    if (mode === "production" && env !== "production") {
      report("env", `"${env}" is refused because SKEIN_ENV=production`);
    }
  },
];

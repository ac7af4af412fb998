/**
 * The rows of the server API's table that are about functions.
 *
 * @module
 */

import * as v from "valibot";
import type { Schema } from "../schemas/fields.ts";
import { exactly, flag, list, name, whole, words } from "./fields.ts";
import type { ApiRow } from "./row.ts";
import type { ApiFunctionLine, ApiParams, ApiResult } from "./types.ts";

type Method = "functions" | "function_logs";

const LEVELS = ["debug", "info", "warn", "error"] as const;
const level = v.picklist(LEVELS, `one of ${LEVELS.join(", ")}`) as Schema<ApiFunctionLine["level"]>;

/** The rows. */
export const FUNCTION_ROWS: { readonly [M in Method]: ApiRow<ApiParams<M>, ApiResult<M>> } = {
  functions: {
    group: "Functions",
    right: "manage",
    text: "The functions of the node that is asked, by name: versions, commands, calls, and what is wrong.",
    params: exactly({}),
    result: exactly({
      functions: list(
        exactly({
          name: name(64),
          version: v.exactOptional(words(64)),
          problem: v.exactOptional(words(4096)),
          commands: list(words(4096), 64),
          alive: flag(),
          active: whole(0),
          waiting: whole(0),
          memory: whole(0),
          calls: v.record(v.string(), whole(0) as v.GenericSchema<unknown, number>),
        }),
        100_000,
      ),
    }),
    example: {},
  },
  function_logs: {
    group: "Functions",
    right: "manage",
    text:
      "The last 200 lines that a function printed on the node that is asked, failures among them, the oldest first. `last` is `after` of the next call.",
    params: exactly({ function: name(64), after: v.exactOptional(whole(0)) }),
    result: exactly({
      lines: list(exactly({ at: whole(0), level, text: words(1024) }), 200),
      last: whole(0),
    }),
    example: { function: "poll" },
  },
};

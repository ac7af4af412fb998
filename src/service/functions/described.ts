/**
 * A function as the server API tells of it.
 *
 * @module
 */

import { usageOf } from "../../hub/mod.ts";
import type { ApiFunction } from "../../protocol/api/function_types.ts";
import type { FunctionCounters } from "./counters.ts";
import type { FunctionSet } from "./set.ts";

/** Tells of a function. `problem`: what is wrong with its file now. */
export function functionOf(
  set: FunctionSet,
  counters: FunctionCounters,
  name: string,
  problem: string | undefined,
): ApiFunction {
  const deployed = set.functions.find((each) => each.name === name);
  const { active = 0, waiting = 0, isolates = 0, memory = 0 } = deployed?.status ?? {};
  const version = deployed?.hash?.slice(0, 12);
  return {
    name,
    ...version === undefined ? {} : { version },
    ...problem === undefined ? {} : { problem: counters.redact(problem).slice(0, 4096) },
    commands: (deployed?.manifest?.commands ?? []).map((command) => usageOf(name, command)),
    alive: isolates > 0,
    active,
    waiting,
    memory,
    calls: counters.calls(name),
  };
}

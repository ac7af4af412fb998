/**
 * Functions: what a call costs warm and cold, how many there are a second, what many of them hold, and what messages pay
 * for functions that do not look at them.
 *
 * @module
 */

import type { Scenario } from "../scenario.ts";
import * as functions from "./measure.ts";

/** Scenarios of functions, in the order they run. */
export const FUNCTION_SCENARIOS: readonly Scenario[] = [
  {
    name: "function warm call above the router",
    unit: "us",
    better: "lower",
    target: { value: 500 },
    skein: functions.warmCall,
  },
  {
    name: "function cold start",
    unit: "ms",
    better: "lower",
    target: { value: 80 },
    skein: functions.coldStart,
  },
  {
    name: "function warm calls",
    unit: "/s",
    better: "higher",
    target: { value: 20_000 },
    skein: functions.warmCalls,
  },
  {
    name: "memory of 500 functions known and 20 alive",
    unit: "KB",
    better: "lower",
    skein: functions.memory,
  },
  {
    name: "publish pipelined 1 KB quic beside functions",
    unit: "/s",
    better: "higher",
    target: { ratio: 0.97 },
    bare: () => functions.publishing(false),
    skein: () => functions.publishing(true),
  },
];

/**
 * The cost of encryption for groups (Messaging Layer Security).
 *
 * @module
 */

import type { Scenario } from "../scenario.ts";
import { change, CHANGES, operation } from "./measure.ts";

/** Scenarios of groups, in the order they run. */
export const GROUP_SCENARIOS: readonly Scenario[] = [
  ...(["seal", "open"] as const).map((what): Scenario => ({
    name: `group ${what} an operation of 200 bytes`,
    unit: "us",
    better: "lower",
    bare: () => operation(what, "key"),
    skein: () => operation(what, "group"),
  })),
  ...[2, 10, 100].flatMap((size) =>
    (["add", "renew", "remove"] as const).filter((what) => what !== "remove" || size > CHANGES + 1).flatMap((
      what,
    ) =>
      (["made", "taken"] as const).map((side): Scenario => ({
        name: `group of ${size} ${what} ${side}`,
        unit: "ms",
        better: "lower",
        skein: () => change(what, side, size),
      }))
    )
  ),
  {
    name: "group of 100 joined",
    unit: "ms",
    better: "lower",
    skein: () => change("add", "joined", 100),
  },
];

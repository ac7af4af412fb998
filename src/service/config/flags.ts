/**
 * Settings from flags: `--quic.port 4433` or `--quic.port=4433`, the key as it is in a file.
 *
 * @module
 */

import { coerce, type Entry } from "./layers.ts";
import { nearest } from "../../protocol/nearest.ts";
import type { Problem } from "./problem.ts";
import { settings, shapeAt } from "./shape.ts";

/** Settings given as flags: dotted key to text; `true` for a flag without a value. */
export type Flags = Readonly<Record<string, string | true>>;

/** Whether a flag of this name is a switch: it takes a value only when `true` or `false` follows. */
export function isSwitch(key: string): boolean {
  return shapeAt(key.split("."))?.about?.kind === "boolean";
}

/** The settings in `flags`, and problems with their names. */
export function readFlags(flags: Flags): { entries: readonly Entry[]; problems: readonly Problem[] } {
  const entries: Entry[] = [];
  const problems: Problem[] = [];
  // Sorted, so that a group comes before its members, which override it.
  for (const key of Object.keys(flags).sort()) {
    const value = flags[key]!;
    const path = key.split(".");
    const shape = key === "" ? undefined : shapeAt(path);
    const name = `--${key}`;
    if (shape === undefined) {
      const keys = settings().map((setting) => setting.key).filter((known) => !known.includes("[]"));
      const suggestion = nearest(key, keys);
      problems.push({ key: name, message: `unknown flag; did you mean --${suggestion}?`, where: "flags" });
    } else if (value === true && shape.about?.kind !== "boolean") {
      problems.push({
        key,
        message: `no value; must be ${shape.about?.allowed ?? "an object as JSON"}`,
        where: name,
      });
    } else {
      entries.push({
        path,
        value: value === true ? true : coerce(value, shape),
        source: { layer: "flag", where: name },
      });
    }
  }
  return { entries, problems };
}

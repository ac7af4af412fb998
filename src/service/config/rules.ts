/**
 * Rules between settings, and between a setting and the mode the service runs in.
 *
 * @module
 */

import { type Config, SECTIONS } from "./schema.ts";

/** A broken rule. */
interface Violation {
  /** The key the problem is reported at. */
  readonly key: string;
  readonly message: string;
  /** All keys the rule looked at. It is ignored when one of them is wrong by itself. */
  readonly keys: readonly string[];
}

/**
 * Every broken rule. `mode` is the variable SKEIN_ENV as the process got it: where it says production,
 * neither file nor flag may switch to development.
 */
export function violations(config: Config, mode: string | undefined): readonly Violation[] {
  const found: Violation[] = [];
  for (const { rules = [] } of SECTIONS) {
    for (const rule of rules) {
      const report = (key: string, message: string, ...others: readonly string[]) =>
        found.push({ key, message, keys: [key, ...others] });
      rule(config, report, mode);
    }
  }
  return found;
}

/**
 * Checks the files that a configuration names.
 *
 * @module
 */

import type { Problem } from "./problem.ts";
import { type Config, SECTIONS } from "./schema.ts";

/** Problems with the files that a valid configuration names. Reads them; never rejects. */
export async function materialProblems(config: Config): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const { material } of SECTIONS) problems.push(...await material?.(config) ?? []);
  return problems;
}

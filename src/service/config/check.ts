/**
 * The files a configuration names: whether they are there and hold what they should.
 *
 * @module
 */

import type { Problem } from "./problem.ts";
import { type Config, SECTIONS } from "./schema.ts";

/** What is wrong with the files a valid configuration names, and with the keys in them. Reads files; never rejects. */
export async function materialProblems(config: Config): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const { material } of SECTIONS) problems.push(...await material?.(config) ?? []);
  return problems;
}

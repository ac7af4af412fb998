/** Loading configurations in tests. */

import assert from "node:assert/strict";
import { type Config } from "../../src/service/config/mod.ts";
import { loadConfig, type LoadOptions } from "../../src/service/config/load.ts";
import { problemLine } from "../../src/service/config/problem.ts";

/** A secret that is long enough. */
export const SECRET = "0123456789abcdef0123456789abcdef";

/** The problems of a file. */
export async function lines(text: string, more: Omit<LoadOptions, "text" | "path"> = {}): Promise<string[]> {
  const { problems } = await loadConfig({ path: "skein.jsonc", text, ...more });
  return problems.map(problemLine);
}

/** The configuration, which must be valid. */
export async function good(options: LoadOptions): Promise<Config> {
  const { config, problems } = await loadConfig(options);
  assert.deepEqual(problems.map(problemLine), []);
  assert(config !== undefined);
  return config;
}

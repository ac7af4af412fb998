/**
 * What is wrong with a certificate and its key.
 *
 * @module
 */

import { asProblem, readMaterial } from "../config/material.ts";
import type { Problem } from "../config/problem.ts";
import { loadCertificate } from "./load.ts";

/** What is wrong with a pair of the configuration; `group` holds `cert` and `key`. Reads files; never rejects. */
export async function certificateProblems(
  pair: { readonly cert: string; readonly key: string },
  group: string,
): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  for (const part of ["cert", "key"] as const) {
    const key = `${group}.${part}`;
    await readMaterial(pair[part], key).catch((error) => problems.push(asProblem(error, key)));
  }
  if (problems.length > 0) return problems;
  try {
    await loadCertificate(pair);
    return [];
  } catch (error) {
    return [asProblem(error, `${group}.cert`)];
  }
}

/**
 * The files a configuration names: whether they are there and hold what they should.
 *
 * @module
 */

import { authProblems } from "../../auth/mod.ts";
import { loadCertificate } from "../certificates/mod.ts";
import { MaterialError, readMaterial } from "./material.ts";
import type { Problem } from "./problem.ts";
import type { Config } from "./schema/mod.ts";
import { toAuthSettings } from "./views.ts";

async function pairProblems(pair: { cert: string; key: string }, group: string): Promise<Problem[]> {
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

function asProblem(error: unknown, key: string): Problem {
  if (error instanceof MaterialError) return { key: error.key, message: error.problem, where: "" };
  return { key, message: error instanceof Error ? error.message : String(error), where: "" };
}

/** What is wrong with the files a valid configuration names, and with the keys in them. Reads files; never rejects. */
export async function materialProblems(config: Config): Promise<Problem[]> {
  const problems: Problem[] = [];
  const { cert, key } = config.quic;
  if (config.quic.enabled && cert !== null && key !== null) {
    problems.push(...await pairProblems({ cert, key }, "quic"));
  }
  if (config.http.tls !== null) problems.push(...await pairProblems(config.http.tls, "http.tls"));
  if (config.auth.keys.length > 0 || config.auth.jwks !== null) {
    try {
      for (const line of authProblems(await toAuthSettings(config))) {
        const colon = line.indexOf(": ");
        const place = line.slice(0, colon).replaceAll(/\[(\d+)\]/g, ".$1");
        problems.push({ key: `auth.${place}`, message: line.slice(colon + 2), where: "" });
      }
    } catch (error) {
      problems.push(asProblem(error, "auth.keys"));
    }
  }
  return problems;
}

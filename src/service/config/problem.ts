/**
 * Problems with a configuration, one line each.
 *
 * @module
 */

/** The layer a value came from, and the place in it. */
export interface Source {
  readonly layer: "default" | "file" | "environment" | "flag";
  /** `skein.jsonc:4:12`, `SKEIN_QUIC_PORT`, `--quic.port`, or `default`. */
  readonly where: string;
}

/** A problem. */
export interface Problem {
  /** The dotted key, or the name of the variable or flag when it is no key. */
  readonly key: string;
  /** What is wrong and what is allowed; never a secret. */
  readonly message: string;
  /** As in {@link Source}; empty when the problem has no place. */
  readonly where: string;
}

/** A problem as one line. */
export function problemLine(problem: Problem): string {
  const where = problem.where === "" ? "" : ` (${problem.where})`;
  return `${problem.key}: ${problem.message}${where}`;
}

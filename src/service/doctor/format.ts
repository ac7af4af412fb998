/**
 * Findings for people.
 *
 * @module
 */

import type { Check } from "./check.ts";

/** Two lines at most for each check, then how many there are of which kind. Ends with a line feed. */
export function formatDoctor(report: { readonly checks: readonly Check[] }): string {
  const { checks } = report;
  const width = Math.max(0, ...checks.map(({ name }) => name.length));
  const lines: string[] = [];
  for (const { name, status, message, advice } of checks) {
    lines.push(`${status.padEnd(4)}  ${name.padEnd(width)}  ${message}`);
    if (advice !== undefined) lines.push(`${" ".repeat(width + 8)}-> ${advice}`);
  }
  const count = (status: Check["status"]) => checks.filter((check) => check.status === status).length;
  const [warnings, failures] = [count("warn"), count("fail")];
  const counts = [plural(failures, "failure"), plural(warnings, "warning")].filter((text) => text !== "");
  lines.push("", counts.length === 0 ? "This machine can serve." : `${counts.join(", ")}.`);
  return lines.join("\n") + "\n";
}

function plural(count: number, word: string): string {
  return count === 0 ? "" : `${count} ${word}${count === 1 ? "" : "s"}`;
}

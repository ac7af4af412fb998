/**
 * The table in a page of documentation: what was measured takes the place of older figures, other rows stay with their
 * date. Pure.
 *
 * @module
 */

import { type Result, rowsOf } from "./scenario.ts";

const BEGIN = "<!-- bench: begin -->", END = "<!-- bench: end -->";

/**
 * `page` with these results in its table. `date` is put into their rows, `about` says how they were measured. Rows of
 * scenarios that are not in `names` any more go; the others are in the order of `names`. Throws without the marks.
 */
export function withTable(
  page: string,
  results: readonly Result[],
  { date, about, names }: { date: string; about: string; names: readonly string[] },
): string {
  const begin = page.indexOf(BEGIN), end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the page has no marks ${BEGIN} and ${END}`);
  const [head, ...measured] = rowsOf(results);
  const rows = new Map<string, readonly string[]>();
  for (const line of page.slice(begin, end).split("\n")) {
    if (!line.startsWith("| ")) continue;
    const cells = line.slice(2, -2).split(" | ").map((cell) => cell.trim());
    if (cells.length === head!.length + 1) rows.set(cells[0]!, cells);
  }
  for (const cells of measured) rows.set(cells[0]!, [...cells, date]);
  const lines = [[...head!, "on"], head!.map(() => "---").concat("---")];
  for (const name of names) if (rows.has(name)) lines.push([...rows.get(name)!]);
  const table = lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  return `${page.slice(0, begin)}${BEGIN}\n\n${about}\n\n${table}\n\n${page.slice(end)}`;
}

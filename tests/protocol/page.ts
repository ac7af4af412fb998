/**
 * PROTOCOL.md as tests read it.
 *
 * @module
 */

/** The text of the page. */
export const page = Deno.readTextFileSync(new URL("../../src/protocol/PROTOCOL.md", import.meta.url));

/** The rows of the first table after `text`, without its head; cells without their back quotes. */
export function tableAfter(text: string): string[][] {
  const at = page.indexOf(text);
  if (at < 0) throw new Error(`PROTOCOL.md does not say: ${text}`);
  const [table] = /(?:^\|.*\n)+/m.exec(page.slice(at)) ?? [""];
  return table.trimEnd().split("\n").slice(2)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")));
}

/** The bodies of the blocks of code with this language and note. */
export function blocks(info: string): string[] {
  return [...page.matchAll(new RegExp("^```" + info + "\\n([^]*?)^```$", "gm"))].map(([, body]) => body!);
}

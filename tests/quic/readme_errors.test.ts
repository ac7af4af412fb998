/** The table of errors in `src/quic/README.md`, compared with the codes of the library. */

import assert from "node:assert/strict";

const read = (name: string) => Deno.readTextFile(new URL(`../../src/quic/${name}`, import.meta.url));

Deno.test("readme: its table of errors has every code of the library and no other", async () => {
  const [, declared] = /export type QuicErrorCode =([\s\S]*?);\n\n/.exec(await read("errors.ts"))!;
  const codes = [...declared!.matchAll(/^ {2}\| "(\w+)"/gm)].map(([, code]) => code!);
  const [, table] = /\n## Errors\n([\s\S]*?)\n## /.exec(await read("README.md"))!;
  const rows = [...table!.matchAll(/^\| `\w+` +\| (`[^|]*`)/gm)].map(([, cell]) => cell!);
  const told = rows.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code!));
  assert.ok(codes.length > 10 && rows.length === 4);
  assert.deepEqual([...new Set(told)].sort(), codes.toSorted());
});

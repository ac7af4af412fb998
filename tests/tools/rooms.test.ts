import assert from "node:assert/strict";
import plugin, {
  cellOf,
  COMMON,
  isPortable,
  judge,
  NATIVE_DIAL,
  QUALIFIERS,
  ROOMS,
  SERVICE,
} from "./rooms.ts";

function lint(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, file, source).map((found) => `${found.id}: ${found.message}`);
}

Deno.test("rooms: the plugin's table and the one in src/README.md say the same", async () => {
  const markdown = await Deno.readTextFile(new URL("../../src/README.md", import.meta.url));
  const written = new Map<string, string>();
  for (const line of markdown.split("\n")) {
    const row = /^\|\s*`([a-z]+)\/`\s*\|\s*(.*?)\s*\|/.exec(line);
    if (row) written.set(row[1]!, row[2]!.replaceAll("`", ""));
  }
  const held = new Map([...Object.keys(ROOMS), SERVICE.room].map((room) => [room, cellOf(room)]));
  assert.deepEqual(Object.fromEntries(held), Object.fromEntries(written));
});

Deno.test("rooms: the files of quic/ that browsers run are there", async () => {
  for (const file of QUALIFIERS["client side"]) {
    assert.ok((await Deno.stat(new URL(`../../src/quic/${file}`, import.meta.url))).isFile);
  }
});

Deno.test("rooms: a room imports itself, what its row names, and packages", () => {
  const source = `import { a } from "./other.ts";
    import type { B } from "../protocol/mod.ts";
    export type { C } from "../router/types.ts";
    import * as v from "valibot";
    import fs from "node:fs";
    const later = await import("../engine/contract.ts");`;
  assert.deepEqual(lint("src/hub/channel.ts", source), []);
});

Deno.test("rooms: every room may import what is common to all", () => {
  for (const room of [...Object.keys(ROOMS), SERVICE.room]) {
    assert.deepEqual(lint(`src/${room}/a.ts`, `import { deadline } from "../${COMMON}/deadline.ts";`), []);
  }
});

Deno.test("rooms: `skein peer` uses the SDK by its doors", () => {
  const source = `import { SkeinClient } from "../../../client/mod.ts";
    import { SkeinPeer } from "../../../client/peer.ts";`;
  assert.deepEqual(lint("src/service/cli/peer/session.ts", source), []);
});

const FORBIDDEN: readonly [name: string, file: string, source: string][] = [
  ["a static import", "src/protocol/a.ts", `import { x } from "../hub/mod.ts";`],
  ["a type-only import", "src/quic/a.ts", `import type { X } from "../protocol/mod.ts";`],
  ["a room in the common one", "src/async/a.ts", `import { x } from "../protocol/mod.ts";`],
  ["an import for effects", "src/engine/a.ts", `import "../hub/mod.ts";`],
  ["a re-export of everything", "src/router/a.ts", `export * from "../session/mod.ts";`],
  ["a named re-export", "src/router/a.ts", `export { x } from "../session/mod.ts";`],
  ["a dynamic import", "src/auth/a.ts", `const m = await import("../service/config.ts");`],
  ["a dynamic import in a template", "src/auth/a.ts", "const m = await import(`../service/config.ts`);"],
  ["a computed import", "src/hub/a.ts", `export const load = (name: string) => import(name);`],
  ["an import type", "src/hub/a.ts", `export type S = import("../session/mod.ts").Session;`],
  ["an import by assignment", "src/hub/a.ts", `import s = require("../session/mod.ts");`],
  ["a worker's module", "src/hub/a.ts", `new Worker(new URL("../service/w.ts", import.meta.url));`],
  ["a nested file", "src/handlers/chat/a.ts", `import { x } from "../../session/mod.ts";`],
  ["more than the contract", "src/session/a.ts", `import { x } from "../transport/quic.ts";`],
  ["more than the types", "src/handlers/a.ts", `import { x } from "../router/router.ts";`],
  ["another door than mod.ts", "src/web/a.ts", `import { x } from "../client/outbox.ts";`],
  ["the server side of quic in the client", "src/client/a.ts", `import { x } from "../quic/listen.ts";`],
  ["the client in the service", "src/service/a.ts", `import { x } from "../client/mod.ts";`],
  ["the client beside `skein peer`", "src/service/cli/a.ts", `import { x } from "../../client/peer.ts";`],
  ["no door in `skein peer`", "src/service/cli/peer/a.ts", `import { x } from "../../../client/client.ts";`],
  ["a test in the source", "src/hub/a.ts", `import { x } from "../../tests/support/client.ts";`],
  ["a room that is not in the table", "src/hub/a.ts", `import { x } from "../cellar/mod.ts";`],
  ["an inline package", "src/hub/a.ts", `import { x } from "npm:jose@6";`],
  ["a room from main.ts", "main.ts", `import { x } from "./src/hub/mod.ts";`],
];

for (const [name, file, source] of FORBIDDEN) {
  Deno.test(`rooms: ${name} that the table does not allow is found`, () => {
    const found = lint(file, source);
    assert.equal(found.length, 1, JSON.stringify(found));
    assert.match(found[0]!, /^rooms\/imports: /);
  });
}

Deno.test("rooms: a finding names the row of the table and points to it", () => {
  const [found] = Deno.lint.runPlugin(plugin, "src/streams/a.ts", `import { x } from "../hub/mod.ts";`);
  assert.equal(found?.message, "streams/ may import protocol; not src/hub/mod.ts");
  assert.match(found?.hint ?? "", /src\/README\.md/);
});

Deno.test("rooms: absolute file names are judged like relative ones, and files outside src are free", () => {
  const root = new URL("../../", import.meta.url).pathname;
  assert.equal(lint(`${root}src/quic/a.ts`, `import "../hub/mod.ts";`).length, 1);
  assert.deepEqual(lint(`${root}tests/hub/a.test.ts`, `import "../../src/hub/private.ts";`), []);
});

Deno.test("rooms: main.ts knows the service, and the service embeds built files", () => {
  assert.deepEqual(lint("main.ts", `import { run } from "./src/service/cli.ts";`), []);
  const source = `import page from "../web/page.html" with { type: "text" };
    import project from "../../deno.json" with { type: "json" };`;
  assert.deepEqual(lint("src/service/assets.ts", source), []);
});

const DENO_USES = [
  `Deno.cwd();`,
  `const d = globalThis.Deno;`,
  `const d = globalThis["Deno"];`,
  `const { Deno: d } = globalThis as never, e = Deno;`,
  `export type C = Deno.QuicConn;`,
  `const x = typeof Deno === "undefined";`,
];

for (const source of DENO_USES) {
  Deno.test(`rooms: Deno is found in a file that browsers run: ${source}`, () => {
    for (const file of ["src/protocol/a.ts", "src/streams/a.ts", "src/client/a.ts", "src/quic/types.ts"]) {
      assert.match(lint(file, source).join("\n"), /^rooms\/portable: /);
    }
    assert.deepEqual(lint("src/quic/listen.ts", source), []);
    assert.deepEqual(lint(`src/${NATIVE_DIAL}`, source), []);
  });
}

Deno.test("rooms: a property that happens to be called Deno is no use of it", () => {
  assert.deepEqual(lint("src/client/a.ts", `const a = { Deno: 1 }; a.Deno;`), []);
});

Deno.test("rooms: node: modules are refused where browsers run and allowed elsewhere", () => {
  assert.match(judge("src/client/a.ts", "node:fs") ?? "", /browsers/);
  assert.equal(judge("src/engine/sqlite.ts", "node:sqlite"), undefined);
});

Deno.test("rooms: only the native dial file of the client reaches all of quic", () => {
  assert.equal(judge(`src/${NATIVE_DIAL}`, "../quic/mod.ts"), undefined);
  assert.notEqual(judge("src/client/dial.ts", "../quic/mod.ts"), undefined);
  assert.equal(isPortable(NATIVE_DIAL), false);
  assert.equal(isPortable(`quic/${QUALIFIERS["client side"][0]}`), true);
});

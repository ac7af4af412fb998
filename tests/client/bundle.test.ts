/** The one file that pages load. */

import assert from "node:assert/strict";
import { gzipped } from "../../src/service/http/compression.ts";
import { buildSdk } from "./build.ts";

/** Bytes of the file as the service sends it. */
const MOST = 40 * 1024;

Deno.test("bundle: the SDK is one module of at most 40 KB gzipped, with a source map and nothing to load besides", async () => {
  const { code, map } = await buildSdk();
  const size = gzipped(new TextEncoder().encode(code)).length;
  assert.ok(size <= MOST, `${size} bytes`);
  assert.match(code, /\/\/# sourceMappingURL=skein\.js\.map\s*$/);
  const { sources, sourcesContent } = JSON.parse(map) as { sources: string[]; sourcesContent: string[] };
  assert.ok(sources.some((source) => source.endsWith("src/client/client.ts")));
  assert.equal(sourcesContent.length, sources.length);
  assert.doesNotMatch(code, /^\s*import[\s{*"']/m);
  assert.doesNotMatch(code, /from\s*["']node:/);
  // Nothing of the server, and no second MessagePack.
  for (const room of ["src/session/", "src/hub/", "src/service/", "src/quic/h3/", "msgpackr"]) {
    assert.deepEqual(
      sources.filter((source) => source.includes(room) && !source.includes("src/client/session/")),
      [],
      room,
    );
  }
});

Deno.test("bundle: the built SDK gives what its door says", async () => {
  const { code } = await buildSdk();
  const file = await Deno.makeTempFile({ suffix: ".js" });
  try {
    await Deno.writeTextFile(file, code);
    const built = await import(`file://${file}`);
    const door = await import("../../src/client/mod.ts");
    assert.deepEqual(Object.keys(built).sort(), Object.keys(door).sort());
  } finally {
    await Deno.remove(file);
  }
});

/** What pages with documents load: two files that are one SDK, with one Yjs. */

import assert from "node:assert/strict";
import { withChromium, withFirefox } from "../support/browsers.ts";
import { leftOut } from "../../src/service/build/left_out.ts";
import { testWith } from "../support/needs.ts";
import { startTestService } from "../support/service.ts";
import { buildBundles } from "./support.ts";

await buildBundles();

const ROOT = new URL("../../", import.meta.url);

testWith(
  ["chromium", "firefox"],
  "bundle: the two bundles share their classes, on pages of other origins too",
  async () => {
    const service = await startTestService();
    const pages = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("<!doctype html><title>page</title>", { headers: { "content-type": "text/html" } }),
    );
    try {
      for (const withBrowser of [withChromium, withFirefox]) {
        await withBrowser(async (page) => {
          await page.goto(`http://127.0.0.1:${pages.addr.port}/`);
          const shared = await page.evaluate(async ({ url, token }) => {
            type Sdk = typeof import("../../src/client/mod.ts");
            type Documents = typeof import("../../src/client/build/yjs.ts");
            const { SkeinClient, SkeinError } = await import(`${url}/skein.js`) as Sdk;
            const { Awareness, DocumentKey, openDocument, SkeinYjsProvider, Y } = await import(
              `${url}/skein-yjs.js`
            ) as Documents;
            const client = new SkeinClient({ url, token });
            const doc = new Y.Doc();
            const provider = new SkeinYjsProvider(
              openDocument(client, "doc:x", { key: await DocumentKey.generate() }),
              doc,
            );
            const damaged = await DocumentKey.fromText("x").catch((error) => error);
            doc.getText("t").insert(0, "one Yjs");
            await provider.ready;
            // What another key has sealed is refused with the SDK's own error, said once.
            const other = new SkeinClient({ url, token });
            const foreign = openDocument(other, "doc:x", { key: await DocumentKey.generate() });
            const refusal = await new Promise<unknown>((resolve) => foreign.on("error", resolve));
            const result = {
              damaged: damaged instanceof SkeinError && damaged.error,
              refusal: refusal instanceof SkeinError && refusal.message,
              text: provider.doc.getText("t") instanceof Y.Text,
              awareness: provider.awareness instanceof Awareness,
            };
            provider.destroy();
            await Promise.all([client.close(), other.close()]);
            return result;
          }, { url: service.url, token: await service.token("ann") });
          assert.deepEqual(shared, {
            damaged: "bad_argument",
            refusal: "doc:x: what came was sealed with another key",
            text: true,
            awareness: true,
          });
          // Yjs says so when there is a second one.
          // Firefox logs a WebSocket that lost the race against QUIC and is closed while it connects.
          const faults = page.log.filter((line) => /yjs|uncaught/i.test(line) && !line.includes("ws://"));
          assert.deepEqual(faults, []);
        });
      }
    } finally {
      await pages.shutdown();
      await service.stop();
    }
  },
);

Deno.test("source maps: they are served in development, in production where that is configured", async () => {
  const production = {
    env: "production" as const,
    auth: { keys: [{ alg: "HS256" as const, secret: "s".repeat(32) }] },
    quic: { enabled: false },
    api: { keys: ["0123456789abcdef"] },
  };
  const cases = [
    [{}, 200],
    [{ http: { sourceMaps: false } }, 404],
    [production, 404],
    [{ ...production, http: { sourceMaps: true } }, 200],
  ] as const;
  for (const [input, status] of cases) {
    const service = await startTestService(input);
    try {
      for (const path of ["/skein.js.map", "/skein-yjs.js.map"]) {
        const answer = await fetch(service.url + path);
        await answer.body?.cancel();
        assert.equal(answer.status, status, JSON.stringify(input));
      }
    } finally {
      await service.stop();
    }
  }
});

Deno.test("both bundles are served alike: to every origin, and again only when they have changed", async () => {
  const service = await startTestService();
  try {
    for (const path of ["/skein.js", "/skein-yjs.js", "/skein-yjs.js.map"]) {
      const answer = await fetch(service.url + path);
      assert.equal(answer.status, 200, path);
      assert.equal(answer.headers.get("access-control-allow-origin"), "*");
      assert.equal(answer.headers.get("cache-control"), "no-cache");
      await answer.body?.cancel();
      const etag = answer.headers.get("etag")!;
      const again = await fetch(service.url + path, { headers: { "if-none-match": etag } });
      assert.equal(again.status, 304, path);
      await again.body?.cancel();
    }
  } finally {
    await service.stop();
  }
});

Deno.test("bundle: the bundle for documents holds Yjs once and nothing of the SDK's connections, and asks for the packages of the project", async () => {
  const map = JSON.parse(await Deno.readTextFile(new URL("dist/skein-yjs.js.map", ROOT))) as {
    sources: string[];
  };
  const ours = map.sources.filter((source) => source.includes("src/client/")).map((source) =>
    source.split("src/")[1]
  );
  const others = ours.filter((source) => !/^client\/(documents|yjs)\//.test(source!));
  assert.deepEqual(others.sort(), ["client/emitter.ts", "client/session/inbox.ts"]);
  assert.ok(ours.includes("client/documents/document.ts") && ours.includes("client/yjs/provider.ts"));
  const code = await Deno.readTextFile(new URL("dist/skein-yjs.js", ROOT));
  assert.deepEqual([...new Set(code.matchAll(/\bfrom"([^"]+)"/g).map(([, from]) => from))], ["/skein.js"]);

  const { imports } = JSON.parse(await Deno.readTextFile(new URL("src/client/build/yjs_imports.json", ROOT)));
  const project = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  for (const [name, target] of Object.entries<string>(imports)) {
    if (target.startsWith("npm:")) assert.equal(target, project.imports[name], name);
  }
});

Deno.test("bundle: the compiled program has what the pages load, and its build leaves out what the compiler cannot read", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))) as {
    tasks: Record<string, string>;
  };
  const compile = tasks["compile"]!.split(" ");
  for await (const { name } of Deno.readDir(new URL("dist/", ROOT))) {
    if (/^skein.*\.js(\.map)?$|\.gz$/.test(name)) {
      assert.equal(compile[compile.indexOf(`dist/${name}`) - 1], "--include", name);
    }
  }
  const path = await leftOut();
  assert.ok((await Deno.stat(path)).isDirectory);
  assert.match(path, /\/bintrees\/[^/]+\/test$/);
});

Deno.test("bundle: the compiled program carries what the service needs, and no tools of tests", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))) as {
    tasks: Record<string, string>;
  };
  const directory = await Deno.makeTempDir({ prefix: "skein-compile-" });
  try {
    const program = `${directory}/skein`;
    // The runtime itself as base: the one for programs is not in any package. So this one weighs and does not start.
    const base = Deno.execPath();
    const [, ...args] = tasks["compile"]!.split(" && ")[1]!.replace(/\$\([^)]*\)/, await leftOut()).split(" ")
      .filter((part) => part !== "$COMPILE_FLAGS").map((part) => part === "dist/skein" ? program : part);
    const { success, stdout, stderr } = await new Deno.Command(base, {
      args,
      cwd: ROOT,
      env: { NO_COLOR: "1", DENORT_BIN: base },
      signal: AbortSignal.timeout(200_000),
    }).output();
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.ok(success, output);
    const carried = (await Deno.stat(program)).size - (await Deno.stat(base)).size;
    console.log(`the program carries ${(carried / 1e6).toFixed(1)} MB`);
    // 16 MB are expected. A browser's driver alone is 10 MB, a TypeScript compiler 20.
    assert.ok(carried > 5e6 && carried < 20e6, `${carried} bytes\n${output}`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

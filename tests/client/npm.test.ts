/** The npm package in a plain project: its name and types, a Vite build, Node, and how many copies of Yjs it loads. */

import assert from "node:assert/strict";
import { startTestService } from "../support/service.ts";
import { withNpmProject } from "./npm_project.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

const MAIN = `
import { SkeinClient, SkeinError, type Delivered } from "@skein/client";
import { DocumentKey } from "@skein/client/encryption";
import { openDocument } from "@skein/client/documents";
import { SkeinYjsProvider } from "@skein/client/yjs";
import * as Y from "yjs";
async function main(): Promise<void> {
  const client = new SkeinClient({ url: "https://chat.example", getToken: () => "t" });
  const chat = client.channel("chat:general");
  await chat.subscribe((message: Delivered) => console.log(message.from, message.text));
  const { offset }: { offset: number } = await chat.publish("hello");
  client.on("transportchange", ({ from, to }) => console.log(from.toUpperCase(), to));
  client.store.subscribe(({ status }) => status satisfies string);
  const key = await DocumentKey.generate();
  const provider = new SkeinYjsProvider(openDocument(client, "doc:plan", { key }), new Y.Doc());
  provider.on("synced", (synced) => synced satisfies boolean);
  // @ts-expect-error the types say what there is
  client.on("no such event", () => {});
  for await (const { text } of chat) if (text === undefined) throw new SkeinError("closed", String(offset));
}
void main();
`;

/** Nothing of a browser's, which names another WebSocket. */
const WS = `
import { SkeinClient, type WebSocketConstructor } from "@skein/client";
import WebSocket from "ws";
const constructor: WebSocketConstructor = WebSocket;
new SkeinClient({ websocketUrl: "ws://127.0.0.1/", token: "t", WebSocket, autoConnect: false });
new SkeinClient({ websocketUrl: "ws://127.0.0.1/", token: "t", WebSocket: constructor, autoConnect: false });
// @ts-expect-error no WebSocket
new SkeinClient({ websocketUrl: "ws://127.0.0.1/", token: "t", WebSocket: Date, autoConnect: false });
`;

/** Writes how connecting fails where there is no WebSocket. */
const NO_WEBSOCKET = `
import { SkeinClient } from "@skein/client";
delete globalThis.WebSocket;
const client = new SkeinClient({ websocketUrl: "ws://127.0.0.1:9/", token: "t", autoConnect: false });
console.log(client.store.getState().status);
await client.connect().catch(({ error, message }) => console.log(error, message));
await client.close();
`;

/** Says something in a channel over npm \`ws\`. */
const OVER_WS = `
import { SkeinClient } from "@skein/client";
import WebSocket from "ws";
const [url, token] = process.argv.slice(2);
const client = new SkeinClient({ url, token, WebSocket, autoConnect: false });
await client.connect();
const heard = new Promise((resolve) => client.channel("chat:x").subscribe(({ text }) => resolve(text)));
const { offset } = await client.channel("chat:x").publish("over ws");
console.log(client.manager.getTransportType(), offset, await heard);
await client.close();
`;

/** Two providers of one document, of which the second one hears of what the first one writes. */
const EDIT = `
async function edit({ SkeinClient }, { openDocument, SkeinYjsProvider }, Y) {
  const [url, token, name] = process.argv.slice(2);
  const WebSocket = (await import("ws")).default;
  const texts = [];
  for (const which of ["writes", "reads"]) {
    const client = new SkeinClient({ url, token, WebSocket });
    const doc = new Y.Doc();
    const provider = new SkeinYjsProvider(openDocument(client, "doc:" + name), doc, { awareness: null });
    await provider.ready;
    if (which === "writes") {
      doc.getText("t").insert(0, "hello");
      while (client.store.getState().pending === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      while (client.store.getState().pending > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    texts.push(doc.getText("t").toString());
    provider.destroy();
    await client.close();
  }
  console.log(texts.join());
}
`;

/** How programs come to the SDK and to Yjs, and whether that is one copy of Yjs. */
const YJS_PROGRAMS: Record<string, { program: string; isOne: boolean }> = {
  "import.mjs": {
    program: `import * as sdk from "@skein/client"; import * as yjs from "@skein/client/yjs";
      import * as Y from "yjs"; ${EDIT} await edit(sdk, yjs, Y);`,
    isOne: true,
  },
  "require.cjs": {
    program: `${EDIT} void edit(require("@skein/client"), require("@skein/client/yjs"), require("yjs"));`,
    isOne: true,
  },
  "import_in_require.cjs": {
    program: `${EDIT} const Y = require("yjs");
      void (async () => edit(await import("@skein/client"), await import("@skein/client/yjs"), Y))();`,
    isOne: false,
  },
  "require_in_import.mjs": {
    program: `import { createRequire } from "node:module"; import * as Y from "yjs"; ${EDIT}
      const require = createRequire(import.meta.url);
      await edit(require("@skein/client"), require("@skein/client/yjs"), Y);`,
    isOne: false,
  },
};

const compilerOptions = { target: "es2022", strict: true, noEmit: true };

Deno.test("npm: the npm package type-checks, builds with Vite and runs in Node, in a project of its own", async (t) => {
  const files = {
    "main.ts": MAIN,
    "tsconfig.json": JSON.stringify({
      compilerOptions: {
        ...compilerOptions,
        module: "esnext",
        moduleResolution: "bundler",
        lib: ["es2022", "dom", "dom.iterable"],
        types: [],
      },
      include: ["main.ts"],
    }),
    "ws.ts": WS,
    "tsconfig.node.json": JSON.stringify({
      compilerOptions: {
        ...compilerOptions,
        module: "nodenext",
        lib: ["es2024", "dom", "dom.iterable", "dom.asynciterable", "esnext.disposable"],
        types: ["node"],
      },
      include: ["ws.ts"],
    }),
    "index.html": '<script type="module" src="/main.ts"></script>',
    "no_websocket.mjs": NO_WEBSOCKET,
    "over_ws.mjs": OVER_WS,
    ...Object.fromEntries(Object.entries(YJS_PROGRAMS).map(([name, { program }]) => [name, program])),
  };
  const packages = {
    yjs: "^13.6.0",
    "y-protocols": "^1.0.6",
    ws: "^8.18.0",
    "@types/ws": "^8.5.0",
    "@types/node": "^22.0.0",
    typescript: "^5.8.0",
    vite: "^6.3.0",
  };
  const service = await startTestService();
  try {
    await withNpmProject({ packages, files }, async ({ directory, run, runBoth }) => {
      const tsc = (project: string) => run("node", "node_modules/typescript/bin/tsc", "--project", project);
      await t.step("its types hold under the strict compiler, library checks and all", async () => {
        await tsc(".");
      });
      await t.step("its types take the WebSocket of ws", async () => {
        await tsc("tsconfig.node.json");
      });
      await t.step("Vite builds it", async () => {
        await run("node", "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn");
        const assets = await Array.fromAsync(Deno.readDir(`${directory}/dist/assets`), ({ name }) => name);
        assert.ok(assets.some((name) => /^index-.*\.js$/.test(name)));
      });
      await t.step("Node without WebSocket is told so", async () => {
        assert.equal(
          await run("node", "no_websocket.mjs"),
          "idle\nno_transport nothing to dial with: there is no `quicUrl`; " +
            "this runtime has no WebSocket, and the option `WebSocket` gives none\n",
        );
      });
      const token = await service.token("ann");
      await t.step("Node talks over ws", async () => {
        assert.equal(await run("node", "over_ws.mjs", service.url, token), "websocket 1 over ws\n");
      });
      for (const [name, { isOne }] of Object.entries(YJS_PROGRAMS)) {
        await t.step(`Node edits a Yjs document with ${name}`, async () => {
          const [texts, errors] = await runBoth("node", name, service.url, token, name);
          assert.equal(texts, "hello,hello\n");
          // What Yjs says when a second copy of it is loaded. A program that says both \`import\` and \`require\` loads two.
          assert.equal(errors.includes("Yjs was already imported"), !isOne, errors);
        });
      }
    });
  } finally {
    await service.stop();
  }
});

Deno.test("npm: the package has one name in every document, and what they import from it is there", async () => {
  const { name, exports } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as {
    name: string;
    exports: Record<string, string>;
  };
  assert.equal(name, "@skein/client");
  const documents = [
    "README.md",
    ".github/CONTRIBUTING.md",
    "src/README.md",
    "src/DECISIONS.md",
    "src/client/README.md",
    "src/client/mod.ts",
    "src/client/yjs.ts",
    "src/client/react.ts",
    "src/quic/README.md",
  ];
  const found: string[] = [];
  for (const document of documents) {
    const text = await Deno.readTextFile(ROOT + document);
    for (const [specifier] of text.matchAll(/@skein\/[a-z/-]*[a-z]/g)) {
      const door = `.${specifier.slice(name.length)}`;
      const isThere = specifier.startsWith(name) && door in exports;
      assert.ok(isThere, `${document} speaks of ${specifier}, which is no door of ${name}`);
      found.push(specifier);
    }
  }
  for (const specifier of [name, `${name}/react`, `${name}/yjs`, `${name}/quic`]) {
    assert.ok(found.includes(specifier), `no document speaks of ${specifier}`);
  }
});

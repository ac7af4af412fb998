/** The npm package in a plain project: its types, a Vite build, and Node. */

import assert from "node:assert/strict";
import { packForNpm } from "../../src/client/build/npm.ts";

const MAIN = `
import { SkeinClient, SkeinError, type Delivered } from "@skein/client";
import { DocumentKey } from "@skein/client/encryption";
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
  const provider = new SkeinYjsProvider(client.document("doc:plan", { key }), new Y.Doc());
  provider.on("synced", (synced) => synced satisfies boolean);
  // @ts-expect-error the types say what there is
  client.on("no such event", () => {});
  for await (const { text } of chat) if (text === undefined) throw new SkeinError("closed", String(offset));
}
void main();
`;

const IN_NODE = `
import { SkeinClient } from "@skein/client";
const client = new SkeinClient({ websocketUrl: "ws://127.0.0.1:9/", token: "t", autoConnect: false });
console.log(client.store.getState().status);
await client.close();
`;

async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(120_000),
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.ok(success, `${program} ${args.join(" ")}\n${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

Deno.test("npm: the npm package type-checks, builds with Vite and runs in Node, in a project of its own", async (t) => {
  const directory = await Deno.makeTempDir();
  try {
    const tarball = await packForNpm(directory);
    await Deno.writeTextFile(
      `${directory}/package.json`,
      JSON.stringify({
        private: true,
        type: "module",
        dependencies: { "@skein/client": `file:${tarball}`, yjs: "^13.6.0" },
        devDependencies: { typescript: "^5.8.0", vite: "^6.3.0" },
      }),
    );
    await Deno.writeTextFile(
      `${directory}/tsconfig.json`,
      JSON.stringify({
        compilerOptions: {
          module: "esnext",
          moduleResolution: "bundler",
          target: "es2022",
          lib: ["es2022", "dom", "dom.iterable"],
          strict: true,
          noEmit: true,
          types: [],
        },
        include: ["main.ts"],
      }),
    );
    await Deno.writeTextFile(`${directory}/main.ts`, MAIN);
    await Deno.writeTextFile(`${directory}/node.mjs`, IN_NODE);
    await Deno.writeTextFile(`${directory}/index.html`, '<script type="module" src="/main.ts"></script>');
    await run(directory, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--silent");

    await t.step("its types hold under the strict compiler, library checks and all", async () => {
      await run(directory, "node", "node_modules/typescript/bin/tsc", "--project", ".");
    });
    await t.step("Vite builds it", async () => {
      await run(directory, "node", "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn");
      const assets = await Array.fromAsync(Deno.readDir(`${directory}/dist/assets`), ({ name }) => name);
      assert.ok(assets.some((name) => /^index-.*\.js$/.test(name)));
    });
    await t.step("Node runs it", async () => {
      assert.equal(await run(directory, "node", "node.mjs"), "idle\n");
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

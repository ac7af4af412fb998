/** The page of the SDK's README, in real browsers: what its readers see, and what somebody who was removed does not. */

import assert from "node:assert/strict";
import { delay } from "../../../src/async/deadline.ts";
import { makePlace, startServer } from "../../crash/server.ts";
import { type BrowserPage, withChromium, withFirefox } from "../../support/browsers.ts";
import { testWith } from "../../support/needs.ts";
import { runDeno } from "../build.ts";

const ROOT = new URL("../../../", import.meta.url);
/** Milliseconds of the whole test. */
const LIMIT = { timeout: 300_000 };
/** A page waits this long for what others do, on a machine that is busy. */
const PATIENCE = 40_000;

/** The HTML and the script of the page, which is made for the service at `url`. */
async function readPage(url: string): Promise<{ html: string; script: string }> {
  const readme = await Deno.readTextFile(new URL("src/client/README.md", ROOT));
  const html = /^```html\n(<!doctype html>\n[\s\S]*?)^```/m.exec(readme)?.[1];
  const script = /^```js\n(\/\/ plan\.js\n[\s\S]*?)^```/m.exec(readme)?.[1];
  assert.ok(html !== undefined && script !== undefined, "the README has the page");
  assert.ok(script.includes('"http://localhost:8080"'));
  return { html, script: script.replace("http://localhost:8080", url) };
}

/** The script in one file, as a bundler makes it of the packages. */
async function bundle(script: string): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "skein-readme-" });
  try {
    const { imports: known } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
    const file = (name: string): string => new URL(`src/client/${name}.ts`, ROOT).href;
    const modules = Object.entries({
      "": "mod",
      "/groups": "groups",
      "/peer-browser": "peer_browser",
      "/peer-yjs": "peer_yjs",
      "/yjs": "yjs",
    });
    const imports = Object.fromEntries(
      modules.map(([name, path]): [string, string] => [`@skein/client${name}`, file(path)]),
    );
    const noNative = file("build/no_native");
    const map = {
      imports: {
        ...known,
        ...imports,
        [file("native")]: noNative,
        [new URL("src/quic/native.ts", ROOT).href]: noNative,
      },
    };
    await Deno.writeTextFile(`${directory}/map.json`, JSON.stringify(map));
    await Deno.writeTextFile(`${directory}/plan.js`, script);
    const options = ["--quiet", "--no-check", "--no-lock", "--platform=browser", "--format=esm"];
    await runDeno([
      ...["bundle", ...options, `--import-map=${directory}/map.json`],
      ...["-o", `${directory}/page.js`, `${directory}/plan.js`],
    ]);
    return await Deno.readTextFile(`${directory}/page.js`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Presses a button and answers its question. */
async function press(page: BrowserPage, button: string, answer: string): Promise<void> {
  await page.evaluate(({ button, answer }: { button: string; answer: string }) => {
    const alerts: string[] = [];
    Object.assign(globalThis, { prompt: () => answer, alert: (text: string) => alerts.push(text), alerts });
    document.getElementById(button)!.click();
  }, { button, answer });
}

/** Invites a user until the user's page is in: who has not been there yet cannot be invited, and `ann` is told so. */
async function invite(ann: BrowserPage, user: string, page: BrowserPage): Promise<void> {
  const isIn = () => page.evaluate(() => document.getElementById("add")!.onsubmit !== null);
  const alerts = () => ann.evaluate(() => (globalThis as unknown as { alerts: string[] }).alerts);
  for (let tries = 0; tries < 20; tries++) {
    await press(ann, "invite", user);
    const end = Date.now() + PATIENCE;
    while ((await alerts()).length === 0) {
      if (await isIn()) return;
      assert.ok(Date.now() < end, `${user} is not in, and ann is told of nothing`);
      await delay(100);
    }
    await delay(500);
  }
  assert.fail(`${await alerts()}`);
}

/** Types a line and sends it. */
async function add(page: BrowserPage, line: string): Promise<void> {
  await page.evaluate((line: string) => {
    (document.getElementById("line") as HTMLInputElement).value = line;
    (document.getElementById("add") as HTMLFormElement).requestSubmit();
  }, line);
}

const LIST = "document.getElementById('list').textContent";

/** Waits until pages show these lines. */
async function show(pages: readonly BrowserPage[], ...lines: string[]): Promise<void> {
  for (const page of pages) await page.waitFor(`${LIST} === ${JSON.stringify(lines.join("\n"))}`, PATIENCE);
}

testWith(
  ["chromium", "firefox"],
  "client readme: the page of a group works through an outage and a reload, and who is removed reads no more",
  () =>
    withChromium((ann, browser) =>
      withFirefox(async (bob) => {
        const carl = await browser.newPage();
        // Without keys the service is in development mode.
        const at = await makePlace({ auth: undefined } as unknown as Parameters<typeof makePlace>[0]);
        const { html, script } = await readPage(`http://localhost:${at.port}`);
        // What the page shows does not tell whether it shares the list with the others.
        const named = script.replace("new PeerDocuments(peer).share(", (found) =>
          `globalThis.shared = ${found}`);
        assert.notEqual(named, script);
        const code = await bundle(named);
        const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
          const isCode = new URL(request.url).pathname === "/page.js";
          const type = isCode ? "text/javascript" : "text/html";
          return new Response(isCode ? code : html, { headers: { "content-type": type } });
        });
        const open = (page: BrowserPage, user: string): Promise<void> =>
          page.goto(`http://localhost:${server.addr.port}/?user=${user}`);
        let service = await startServer(at);
        try {
          await open(ann, "ann");
          await open(bob, "bob");
          await open(carl, "carl");
          for (const [user, page] of [["bob", bob], ["carl", carl]] as const) {
            await invite(ann, user, page);
          }
          await add(ann, "from ann");
          await show([ann, bob, carl], "from ann");
          await add(bob, "from bob");
          await show([ann, bob, carl], "from ann", "from bob");
          for (const page of [ann, bob, carl]) {
            await page.waitFor("shared.peers.length === 2", PATIENCE);
          }
          await service.kill();
          await add(ann, "ann without");
          await show([ann, bob, carl], "from ann", "from bob", "ann without");
          await add(bob, "bob without");
          const lines = ["from ann", "from bob", "ann without", "bob without"];
          await show([ann, bob, carl], ...lines);
          // Loaded again while the service is away, it waits for it.
          await open(ann, "ann");
          service = await startServer(at);
          await show([ann, bob, carl], ...lines);
          await press(ann, "remove", "carl");
          await ann.evaluate(() =>
            new Promise((resolve) => setTimeout(resolve, 1_000))
          );
          assert.deepEqual(
            await ann.evaluate(() => (globalThis as unknown as { alerts: string[] }).alerts),
            [],
          );
          await add(bob, "without carl");
          lines.push("without carl");
          await show([ann, bob], ...lines);
          await open(carl, "carl");
          await add(ann, "still without carl");
          lines.push("still without carl");
          await show([ann, bob], ...lines);
          await carl.evaluate(() => new Promise((resolve) => setTimeout(resolve, 2_000)));
          const seen = await carl.evaluate(() => document.getElementById("list")!.textContent);
          assert.ok(!seen!.includes("without carl"), seen!);
        } finally {
          await service.kill();
          await server.shutdown();
          await Deno.remove(at.directory, { recursive: true });
        }
      }, LIMIT), LIMIT),
);

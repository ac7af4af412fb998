/** The React hooks of the npm package: rendered on a server, and in a page that Vite builds, in StrictMode. */

import { openDocument } from "../../src/client/documents.ts";
import assert from "node:assert/strict";
import { type BotAsk, serveBot } from "../../src/client/bots.ts";
import { SkeinClient } from "../../src/client/mod.ts";
import { type BrowserPage, withChromium } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "./crowd.ts";
import { withNpmProject } from "./npm_project.ts";
import { REACT_FILES, REACT_PACKAGES, type ReactPage } from "./react_page.ts";

declare const page: ReactPage & { readonly synced: boolean };

const VITE = ["node_modules/vite/bin/vite.js", "build", "--logLevel", "error"];
const PLAN = "doc:plan";

/** Serves a directory and, as the page itself, `html`. */
function serve(directory: string, html: () => string): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response(html(), { headers: { "content-type": "text/html" } });
    if (!pathname.startsWith("/assets/")) return new Response(null, { status: 404 });
    const body = await Deno.readFile(directory + pathname);
    return new Response(body, { headers: { "content-type": "text/javascript" } });
  });
}

/** The texts that the room shows; those that are deleted are "-", those that are edited have a star. */
function texts(browser: BrowserPage): Promise<string> {
  return browser.evaluate(() =>
    page.shown.room!.messages.map(({ text, edited, deleted }) => deleted ? "-" : text + (edited ? "*" : ""))
      .join()
  );
}

async function untilTexts(browser: BrowserPage, expected: string): Promise<void> {
  const now = "page.shown.room.messages.map((m) => m.deleted ? '-' : m.text + (m.edited ? '*' : '')).join()";
  await browser.waitFor(`${now} === ${JSON.stringify(expected)}`).catch(async (error) => {
    assert.equal(await texts(browser), expected, String(error));
  });
}

/** A chat of the page with another client. */
async function chat(browser: BrowserPage, service: TestService, t: Deno.TestContext): Promise<void> {
  const other = new SkeinClient({
    url: service.url,
    getToken: () => service.token("bob"),
    enableQuic: false,
  });
  const room = other.channel("chat:room");
  const heard: string[] = [];
  try {
    await room.subscribe(({ text }) => heard.push(text!));
    await t.step("the effects ran twice, and one connection was made", async () => {
      await browser.waitFor("page.shown.room.status === 'joined' && page.shown.status === 'connected'");
      const { effects, connections } = await browser.evaluate(() => page);
      assert.deepEqual([effects, connections.length], [2, 1]);
    });
    await t.step("history, new messages, edits and deletions are shown once and in order", async () => {
      await untilTexts(browser, "two,three");
      const { offset } = await room.publish("four");
      await untilTexts(browser, "two,three,four");
      await room.edit(offset, "4");
      await untilTexts(browser, "two,three,4*");
      await browser.evaluate(() => globalThis.document.getElementById("say")!.click());
      await untilTexts(browser, "two,three,4*,by a button");
      await room.delete(offset);
      await untilTexts(browser, "two,three,-,by a button");
      assert.deepEqual(await browser.evaluate(() => page.told), ["four", "by a button"]);
      assert.deepEqual(heard, ["four", "by a button"]);
      assert.match(
        await browser.evaluate(() => globalThis.document.body.textContent!),
        /chat:room joined joined.*ann: by a button/,
      );
    });
    await t.step("a channel is left with its last component, and joined again", async () => {
      await browser.evaluate(() => page.showRoom(false));
      // Presence is on the channel still.
      const { offset } = await room.publish("unseen");
      await browser.waitFor(`page.client.channel("chat:room").position.offset >= ${offset}`);
      await browser.evaluate(() => page.showRoom(true));
      await untilTexts(browser, "by a button,unseen");
      await room.publish("seen");
      await untilTexts(browser, "by a button,unseen,seen");
      assert.deepEqual(await browser.evaluate(() => page.told), ["four", "by a button", "seen"]);
    });
    await t.step("a streamed message grows in its place, and is one message", async () => {
      const last = "page.shown.room.messages.at(-1)";
      const stream = await room.stream();
      for (const [piece, text] of [["It is", "It is"], [" 42.", "It is 42."]] as const) {
        await stream.append(piece);
        await browser.waitFor(`${last}.text === ${JSON.stringify(text)} && ${last}.stream === "open"`);
        assert.equal(
          await browser.evaluate(() =>
            globalThis.document.querySelectorAll("section [aria-busy=true]").length
          ),
          1,
        );
      }
      await stream.end();
      await browser.waitFor(`${last}.stream === "ended"`);
      await untilTexts(browser, "by a button,unseen,seen,It is 42.");
      assert.match(await browser.evaluate(() => globalThis.document.body.textContent!), /bob: It is 42\./);
      await room.delete(stream.target);
      await untilTexts(browser, "by a button,unseen,seen,-");
    });
    await t.step(
      "an answer of a bot is shown as it grows, and what fails is told",
      () => assistant(browser, service),
    );
    await t.step("who is there and who types is shown", async () => {
      const users = "page.shown.people.users.map(({ userId }) => userId).sort().join()";
      await browser.waitFor(`${users} === 'ann,bob'`);
      room.typing();
      await browser.waitFor("page.shown.typing.typists.join() === 'bob'");
      const third = new SkeinClient({
        url: service.url,
        token: await service.token("cem"),
        enableQuic: false,
      });
      await third.channel("chat:room").subscribe();
      await browser.waitFor(`${users} === 'ann,bob,cem'`);
      await third.close();
      await browser.waitFor(`${users} === 'ann,bob'`);
    });
    await t.step("a document is open while its component is on the page", async () => {
      await browser.waitFor("page.shown.plan.synced");
      assert.equal(await browser.evaluate(() => page.shown.plan!.document!.name), "doc:raw");
      await openDocument(other, "doc:raw").ready;
      await browser.evaluate(() => {
        const { document } = page.shown.plan!;
        document!.on("operation", ({ data }) => page.told.push(new TextDecoder().decode(data)));
      });
      await openDocument(other, "doc:raw").send(new TextEncoder().encode("an operation"));
      await browser.waitFor("page.told.at(-1) === 'an operation'");
    });
    await t.step(
      "without its provider the client is disconnected, and it works again afterwards",
      async () => {
        await browser.evaluate(() => page.show(false));
        await browser.waitFor("page.client.store.getState().status === 'idle'");
        assert.deepEqual(await browser.evaluate(() => page.client.store.getState().channels), []);
        await browser.evaluate(() => page.show(true));
        await untilTexts(browser, "seen,-");
        await room.publish("at last");
        await untilTexts(browser, "seen,-,at last");
      },
    );
  } finally {
    await other.close();
  }
}

/** The page asks an assistant, by a button and by a line that is typed. */
async function assistant(browser: BrowserPage, service: TestService): Promise<void> {
  const asked: { ask: BotAsk; finish: () => void }[] = [];
  const press = (id: string) =>
    browser.evaluate((id: string) => globalThis.document.getElementById(id)!.click(), id);
  const next = async (): Promise<{ ask: BotAsk; finish: () => void }> => {
    await until("the bot is asked", () => asked.length > 0);
    return asked.shift()!;
  };
  const status = (status: string) =>
    browser.waitFor(`page.shown.answer.status === ${JSON.stringify(status)}`);
  // Before the bot is there.
  await press("ask");
  await status("failed");
  assert.match(await browser.evaluate(() => page.shown.answer!.error!.message), /no such bot/);
  const bot = new SkeinClient({
    url: service.url,
    getToken: () => service.token("assistant-user", { bot: "assistant" }),
    enableQuic: false,
  });
  try {
    await serveBot(bot, {
      commands: [{
        name: "answer",
        args: [{ name: "question", type: "string", rest: true }],
        run: (ask) => new Promise((resolve) => asked.push({ ask, finish: resolve })),
      }],
    });
    for (const [id, question] of [["ask", "what is it?"], ["type", "why?"]] as const) {
      await press("clear");
      await status("idle");
      await press(id);
      await status("asked");
      const { ask, finish } = await next();
      assert.equal(ask.args.question, question);
      await ask.progress(0.5, "thinking");
      await browser.waitFor("page.shown.answer.progress?.text === 'thinking'");
      for (const [piece, text] of [["It is", "It is"], [" 42.", "It is 42."]] as const) {
        await ask.append(piece);
        await browser.waitFor(`page.shown.answer.text === ${JSON.stringify(text)}`);
      }
      finish();
      await status("done");
      const shown = await browser.evaluate(() => globalThis.document.getElementById("answer")!.textContent);
      assert.match(shown!, /It is 42\./);
    }
    // Each piece was shown, and in StrictMode none twice.
    const texts = await browser.evaluate(() => page.answers);
    assert.deepEqual(texts, ["", "It is", "It is 42.", "", "It is", "It is 42."]);
  } finally {
    await bot.close();
  }
}

/** The page has its Yjs document from the browser and from the service: neither sends the other what it has. */
async function localCopy(
  browser: BrowserPage,
  service: TestService,
  reload: () => Promise<void>,
): Promise<void> {
  const offset = async (): Promise<number> => {
    const client = new SkeinClient({
      url: service.url,
      token: await service.token("eve"),
      enableQuic: false,
    });
    const document = openDocument(client, PLAN);
    await document.ready;
    const at = document.position!.offset;
    await client.close();
    return at;
  };
  await browser.waitFor("page.synced");
  for (const text of ["a plan ", "of some ", "length"]) {
    await browser.evaluate((text: string) => page.write(text), text);
    await browser.waitFor("page.client.store.getState().pending === 0");
  }
  const before = await offset();
  assert.ok(before >= 3);
  for (const round of [1, 2]) {
    await reload();
    await browser.waitFor("page.loaded && page.synced");
    assert.equal(await browser.evaluate(() => page.text), "a plan of some length" + "!".repeat(round - 1));
    // Whatever else it had to send it would have sent before.
    await browser.evaluate(() => page.write("!"));
    await browser.waitFor("page.client.store.getState().pending === 0");
    assert.equal(await offset(), before + round, "one operation for one letter");
  }
}

testWith(
  ["chromium"],
  "react: the hooks work in a page that Vite builds, in StrictMode, and render on a server",
  async (t) => {
    const service = await startTestService({ http: { allowedOrigins: ["*"] } });
    try {
      const before = new SkeinClient({
        url: service.url,
        token: await service.token("bob"),
        enableQuic: false,
      });
      for (const text of ["one", "two", "three"]) await before.channel("chat:room").publish(text);
      await before.close();
      await withNpmProject({ packages: REACT_PACKAGES, files: REACT_FILES }, async ({ directory, run }) => {
        await t.step("its types hold under the strict compiler", async () => {
          await run("node", "node_modules/typescript/bin/tsc", "--project", ".");
        });
        await run("env", "NODE_ENV=development", "node", ...VITE, "--mode", "development");
        const index = await Deno.readTextFile(`${directory}/dist/index.html`);
        let rendered = "";
        await t.step("a server renders the beginning and connects nothing", async () => {
          await run("node", ...VITE, "--ssr", "server.tsx", "--outDir", "server");
          // It ends by itself: nothing is left open.
          rendered = (await run("node", "server/server.js")).trim();
          assert.match(rendered.replaceAll("<!-- -->", ""), /chat:room joining/);
          assert.match(rendered, /idle/);
          assert.match(rendered, /no document/);
        });
        let html = index;
        const pages = serve(`${directory}/dist`, () => html);
        const token = await service.token("ann");
        const address = `http://127.0.0.1:${pages.addr.port}/`;
        const hash = new URLSearchParams({ url: service.url, token });
        try {
          await t.step("the page", (t) =>
            withChromium(async (browser) => {
              await browser.goto(`${address}#${hash}`);
              await chat(browser, service, t);
              assert.deepEqual(browser.log.filter((line) => /^(error|uncaught)/.test(line)), []);
            }, { timeout: 120_000 }));
          await t.step(
            "a page that a server rendered is taken over without a warning",
            () =>
              withChromium(async (browser) => {
                html = index.replace("<!--app-->", rendered);
                await browser.goto(`${address}#${hash}`);
                await browser.waitFor("page.shown.room.status === 'joined'");
                assert.deepEqual(browser.log.filter((line) => /^(error|uncaught|warning)/.test(line)), []);
                html = index;
              }),
          );
          await t.step(
            "a local copy of a Yjs document is not sent again when the page is loaded",
            () =>
              withChromium(async (browser) => {
                await browser.goto(`${address}#${hash}`);
                await localCopy(browser, service, async () => {
                  await browser.goto("about:blank");
                  await browser.goto(`${address}#${hash}`);
                });
              }),
          );
        } finally {
          await pages.shutdown();
        }
      });
    } finally {
      await service.stop();
    }
  },
);

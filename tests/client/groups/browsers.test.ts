/** Chromium, Firefox and a program on Deno in one group. */

import assert from "node:assert/strict";
import { SkeinClient } from "../../../src/client/mod.ts";
import { type BrowserPage, withChromium, withFirefox } from "../../support/browsers.ts";
import { testWith } from "../../support/needs.ts";
import { startTestService, type TestService } from "../../support/service.ts";
import { runDeno } from "../build.ts";
import type { GroupPage } from "./in_page.ts";
import { GroupDevice, until } from "./support.ts";

const PLAN = "doc:plan";

declare const page: GroupPage;

/** The page's code in one file, with all it needs. */
async function bundled(): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "skein-groups-" });
  try {
    const file = `${directory}/page.js`;
    const options = ["--quiet", "--no-check", "--lock=tests/deno.lock", "--platform=browser", "--format=esm"];
    await runDeno(["bundle", ...options, "-o", file, "tests/client/groups/in_page.ts"]);
    return await Deno.readTextFile(file);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function withPages(run: (service: TestService, origin: string) => Promise<void>): Promise<void> {
  const code = await bundled();
  const service = await startTestService({ http: { allowedOrigins: ["*"] } });
  const pages = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const isCode = new URL(request.url).pathname === "/page.js";
    return isCode
      ? new Response(code, { headers: { "content-type": "text/javascript" } })
      : new Response("<!doctype html><title>page</title>", { headers: { "content-type": "text/html" } });
  });
  try {
    await run(service, `http://127.0.0.1:${pages.addr.port}`);
  } finally {
    await pages.shutdown();
    await service.stop();
  }
}

async function open(browser: BrowserPage, service: TestService, origin: string, user: string): Promise<void> {
  await browser.goto(origin);
  const token = await service.token(user, { rights: ["direct_message"] });
  await browser.evaluate(async (options: { url: string; token: string; channel: string }) => {
    const { openGroupPage } = await import("/page.js" as string) as typeof import("./in_page.ts");
    (globalThis as unknown as { page: GroupPage }).page = await openGroupPage(options);
  }, { url: service.url, token, channel: PLAN });
}

testWith(
  ["chromium", "firefox"],
  "groups: pages in Chromium and Firefox and a program on Deno read what each of them says",
  () =>
    withPages((service, origin) =>
      withChromium((chromium) =>
        withFirefox(async (firefox) => {
          const place = {
            client: (user: string) =>
              new SkeinClient({
                url: service.url,
                getToken: () => service.token(user, { rights: ["direct_message"] }),
              }),
          };
          await using ann = await GroupDevice.open(place, "ann");
          const group = await ann.groups.create(PLAN);
          const mine = ann.share(group);
          mine.doc.getText("t").insert(0, "deno ");
          const browsers = { bob: chromium, carl: firefox };
          for (const [user, browser] of Object.entries(browsers)) {
            await open(browser, service, origin, user);
            await until(`${user} has left key packages`, () =>
              group.invite(user).then((count) => count === 1, () => false));
            await browser.waitFor("page.epoch() > 0");
          }
          await chromium.waitFor("page.text() === 'deno '");
          await chromium.evaluateText("page.insert('chromium ')");
          await firefox.waitFor("page.text() === 'chromium deno '");
          await firefox.evaluateText("page.insert('firefox ')");
          await until("all of it came", () =>
            mine.doc.getText("t").toString() === "firefox chromium deno ");
          await group.renew();
          for (const [user, browser] of Object.entries(browsers)) {
            await browser.waitFor(`page.authenticator() === ${JSON.stringify(group.authenticator)}`);
            const code = await browser.evaluate(() => page.safetyCode("ann"));
            assert.equal(code, await group.safetyCode(user));
            assert.equal(await browser.evaluate(() => page.exportable()), false);
            const stored = await browser.evaluate(() => page.stored());
            assert.ok(stored.length > 1000 && !stored.includes('"ledger"'), "what is stored is encrypted");
          }
          // A page that is loaded again is the same device, and reads it all again.
          const device = await chromium.evaluate(() => page.device);
          await open(chromium, service, origin, "bob");
          assert.equal(await chromium.evaluate(() => page.device), device);
          await chromium.waitFor("page.text() === 'firefox chromium deno '");
          // Another tab has to wait until this one is closed.
          const tab = await chromium.newTab();
          await assert.rejects(open(tab, service, origin, "bob"), /another page has these groups open/);
          await tab.close();
        }, { timeout: 90_000 }), { timeout: 90_000 })
    ),
);

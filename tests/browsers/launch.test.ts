import assert from "node:assert/strict";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";

const PAGE = "<!doctype html><title>skein</title><script>console.log('page is up')</script>";

async function looksAround(page: BrowserPage): Promise<void> {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(PAGE, { headers: { "content-type": "text/html" } }),
  );
  await page.goto(`http://127.0.0.1:${server.addr.port}/`);
  assert.equal(await page.evaluate((n: number) => document.title + n, 2), "skein2");
  assert.equal(await page.evaluate(() => typeof WebTransport), "function");
  assert.equal(await page.evaluateText("Promise.resolve(isSecureContext)"), true);
  await page.waitFor("document.readyState === 'complete'");
  assert.deepEqual(page.log, ["log: page is up"]);
  await assert.rejects(page.waitFor("window.never", 50), /never[\s\S]*page is up/);
}

testWith(["chromium"], "browsers: Chromium opens a page and has WebTransport", async () => {
  await withChromium(looksAround);
});

testWith(["firefox"], "browsers: Firefox opens a page and has WebTransport", async () => {
  await withFirefox(looksAround);
});

testWith(
  ["chromium"],
  "browsers: a browser is gone when its test fails, and the failure is the test's own",
  async () => {
    let later: BrowserPage | undefined;
    const failing = withChromium((page) => {
      later = page;
      return Promise.reject(new Error("of the test"));
    });
    await assert.rejects(failing, /^Error: of the test$/);
    await assert.rejects(later!.evaluate(() => 1), /closed/);
  },
);

testWith(["chromium"], "browsers: a test that never ends is ended at its deadline", async () => {
  const hanging = withChromium(() => new Promise(() => {}), { timeout: 3_000 });
  await assert.rejects(hanging, /Chromium: the test took more than 3000 ms/);
});

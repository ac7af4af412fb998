/** The page of the server API: it asks no other host, and calls methods with the key that it is given. */

import assert from "node:assert/strict";
import { createServerClient } from "../../src/client/server/mod.ts";
import { API_METHODS } from "../../src/protocol/api/table.ts";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { startTestService } from "../support/service.ts";
import { buildBundles } from "./support.ts";

await buildBundles();

const KEY = "key-of-the-back-end-of-a-test";
const FILES = ["page.css", "page.js", "swagger-ui.css", "swagger-ui.js", "licenses.txt"];
/** An expression: all methods are shown. */
const SHOWN = `document.querySelectorAll(".opblock").length === ${API_METHODS.length}`;
const PUBLISH = "#operations-Messages-publish";

/** Types into a field of the viewer, which hears of events alone. */
async function fill(page: BrowserPage, selector: string, text: string): Promise<void> {
  await page.waitFor(`document.querySelector(${JSON.stringify(selector)})`);
  await page.evaluate(({ selector, text }) => {
    const field = document.querySelector<HTMLInputElement | HTMLTextAreaElement>(selector)!;
    const kind = field instanceof HTMLInputElement ? HTMLInputElement : HTMLTextAreaElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value")!.set!.call(field, text);
    field.dispatchEvent(new Event(field instanceof HTMLInputElement ? "change" : "input", { bubbles: true }));
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }, { selector, text });
}

async function press(page: BrowserPage, selector: string): Promise<void> {
  await page.waitFor(`document.querySelector(${JSON.stringify(selector)})`);
  await page.evaluateText(`document.querySelector(${JSON.stringify(selector)}).click()`);
}

async function publish(page: BrowserPage, text: string): Promise<void> {
  await fill(page, `${PUBLISH} textarea`, JSON.stringify({ channel: "chat:general", text }));
  await press(page, `${PUBLISH} .execute`);
}

testWith(
  ["chromium", "firefox"],
  "api docs: methods are called with the key of the field, which a reload keeps, and no other host is asked",
  async () => {
    const service = await startTestService({ engine: { kind: "memory" }, api: { keys: [KEY] } });
    const api = createServerClient({ url: service.url, key: KEY });
    try {
      for (const withBrowser of [withChromium, withFirefox]) {
        await withBrowser(async (page, { name }) => {
          await page.goto(`${service.url}/api/docs`);
          await page.waitFor(SHOWN, 30_000);
          await press(page, `${PUBLISH} .opblock-summary-control`);
          await publish(page, "without a key");
          await page.waitFor(`document.querySelector("${PUBLISH} .live-responses-table")`);
          const refused = await page.evaluateText(
            `document.querySelector("${PUBLISH} .live-responses-table").innerText`,
          );
          assert.match(String(refused), /401[^]*unauthorized/);

          await press(page, ".btn.authorize");
          await fill(page, ".auth-container input", KEY);
          await press(page, ".auth-btn-wrapper .authorize");
          await press(page, ".auth-btn-wrapper .btn-done");
          await publish(page, `said in ${name}`);
          const offset =
            `/"offset"/.test(document.querySelector("${PUBLISH} .live-responses-table").innerText)`;
          await page.waitFor(offset);

          await page.goto(`${service.url}/api/docs?again#/Messages/publish`);
          await page.waitFor(SHOWN, 30_000);
          await publish(page, `said again in ${name}`);
          await page.waitFor(`document.querySelector("${PUBLISH} .live-responses-table") && ${offset}`);

          const asked = await page.evaluate(() =>
            performance.getEntriesByType("resource").map((entry) => entry.name)
          );
          assert.deepEqual(
            asked.filter((url) => !url.startsWith(`${service.url}/`) && !url.startsWith("data:")),
            [],
          );
          // The refusal is the one line that a browser writes by itself.
          assert.deepEqual(page.log.filter((line) => !/401/.test(line)), []);
          const { messages } = await api.history({ channel: "chat:general" });
          assert.deepEqual(
            messages.map(({ payload }) => payload.text).filter((text) => String(text).endsWith(name)),
            [`said in ${name}`, `said again in ${name}`],
          );
        });
      }
    } finally {
      await service.stop();
    }
  },
);

testWith(["chromium"], "api docs: the page follows the colours of the system", async () => {
  const service = await startTestService({ engine: { kind: "memory" } });
  try {
    await withChromium(async (page) => {
      const grounds = new Set<unknown>();
      for (const value of ["light", "dark"]) {
        await page.devtools("Emulation.setEmulatedMedia", {
          features: [{ name: "prefers-color-scheme", value }],
        });
        await page.goto(`${service.url}/api/docs?${value}`);
        await page.waitFor(SHOWN, 30_000);
        assert.equal(
          await page.evaluateText(`document.documentElement.classList.contains("dark-mode")`),
          value === "dark",
        );
        grounds.add(
          await page.evaluateText(
            `getComputedStyle(document.querySelector(".swagger-ui .opblock")).backgroundColor`,
          ),
        );
      }
      assert.equal(grounds.size, 2);
    });
  } finally {
    await service.stop();
  }
});

Deno.test("api docs: the files of the viewer are the same with and without gzip, and have tags of their own", async () => {
  const service = await startTestService({ engine: { kind: "memory" } });
  try {
    for (const name of FILES) {
      const url = `${service.url}/api/docs/${name}`;
      const get = (coding: string) => fetch(url, { headers: { "accept-encoding": coding } });
      const [small, plain] = [await get("gzip"), await get("identity")];
      assert.deepEqual([small.status, plain.status], [200, 200], name);
      // The client has unzipped the first.
      assert.equal(await small.text(), await plain.text(), name);
      assert.notEqual(small.headers.get("etag"), plain.headers.get("etag"), name);
      const again = await fetch(url, {
        headers: { "if-none-match": plain.headers.get("etag")!, "accept-encoding": "identity" },
      });
      assert.equal(again.status, 304, name);
      await again.body?.cancel();
    }
    const page = await fetch(`${service.url}/api/docs`);
    await page.body?.cancel();
    const policy = page.headers.get("content-security-policy")!;
    for (
      const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"]
    ) {
      assert.ok(policy.split("; ").includes(part), policy);
    }
  } finally {
    await service.stop();
  }
});

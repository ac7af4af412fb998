/** Real browsers that do not keep what they are asked to: the SDK goes on in memory, and says so. */

import assert from "node:assert/strict";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { inPage, join, type Page } from "./in_page.ts";

declare const page: Page;

/** Says things, which reach the service; the page is told once that they are in memory only. */
async function goesOn(browser: BrowserPage, size: number): Promise<void> {
  const said = await browser.evaluate(async (size: number) => {
    const channel = page.client.channel("chat:x");
    const receipts = [];
    for (let i = 0; i < 20; i++) receipts.push(channel.publish(`${i} ${"x".repeat(size)}`));
    return (await Promise.all(receipts)).length;
  }, size);
  assert.equal(said, 20);
  await browser.waitFor("page.got.length === 20");
  await browser.waitFor("page.errors.some((error) => error.startsWith('storage'))");
  const errors = await browser.evaluateText("page.errors") as string[];
  assert.deepEqual(errors, [
    "storage the outbox cannot be stored: messages are in memory only",
  ]);
  await browser.evaluateText("page.client.close()");
}

testWith(
  ["firefox"],
  "browser storage: Firefox: with cookies and storage blocked the session goes on in memory",
  () =>
    inPage(({ service, origin }) =>
      withFirefox(async (browser) => {
        const options = { url: service.url, token: await service.token("ann") };
        await join(browser, origin, { options, outbox: "blocked" });
        const isBlocked = await browser.evaluate(() =>
          new Promise<boolean>((resolve) => {
            try {
              const opening = indexedDB.open("probe");
              opening.onerror = () => resolve(true);
              opening.onsuccess = () => resolve(false);
            } catch {
              resolve(true);
            }
          })
        );
        assert.ok(isBlocked, "the browser blocks its storage");
        await goesOn(browser, 10);
      }, { firefoxPreferences: { "network.cookie.cookieBehavior": 2 } })
    ),
);

testWith(
  ["chromium"],
  "browser storage: Chromium: with a full disk the session goes on in memory",
  () =>
    inPage(({ service, origin }) =>
      withChromium(async (browser) => {
        const options = { url: service.url, token: await service.token("ann") };
        await join(browser, origin, { options, outbox: "full" });
        await browser.waitFor("page.client.store.getState().channels.length === 1");
        await browser.devtools("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1 });
        await goesOn(browser, 20_000);
      })
    ),
);

testWith(
  ["chromium"],
  "browser storage: Chromium: with a database that never opens the session goes on in memory",
  () =>
    inPage(({ service, origin }) =>
      withChromium(async (browser) => {
        // Another tab makes the database and does not come to an end with it.
        const other = await browser.newTab();
        await other.goto(origin);
        await other.evaluate(() =>
          new Promise<void>((resolve) => {
            const opening = indexedDB.open("stuck", 1);
            opening.onupgradeneeded = () => {
              const store = opening.result.createObjectStore("messages");
              const again = (): void => void (store.get(1).onsuccess = again);
              again();
              resolve();
            };
          })
        );
        const options = { url: service.url, token: await service.token("ann") };
        await join(browser, origin, { options, outbox: "stuck" });
        await goesOn(browser, 10);
      })
    ),
);

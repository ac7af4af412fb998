/** Tabs of one real browser that share an outbox: what one leaves behind is sent by another, and nothing twice. */

import assert from "node:assert/strict";
import { type BrowserPage, withChromium } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import type { TestService } from "../support/service.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";
import { inPage, join, type Page, untilStored } from "./in_page.ts";

declare const page: Page;

const OUTBOX = "shared";

/** A user without a service to talk to. */
async function nowhere(
  service: TestService,
): Promise<{ websocketUrl: string; enableQuic: false; token: string }> {
  return { websocketUrl: "ws://127.0.0.1:9/", enableQuic: false, token: await service.token("ann") };
}

/** Publishes `who 0`, `who 1`, ... without waiting for any. */
function publish(browser: BrowserPage, who: string, count: number): Promise<void> {
  return browser.evaluate(({ who, count }) => {
    const channel = page.client.channel("chat:x");
    for (let i = 0; i < count; i++) channel.publish(`${who} ${i}`).catch(() => {});
  }, { who, count });
}

/** What the service keeps, as a tab is told. */
async function kept(browser: BrowserPage): Promise<string[]> {
  const { messages } = await browser.evaluateText(
    "page.client.channel('chat:x').history({ limit: 1000 })",
  ) as {
    messages: { text: string }[];
  };
  return messages.map(({ text }) => text);
}

const numbered = (who: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${who} ${i}`);

testWith(
  ["chromium"],
  "browser tabs: Chromium: what a tab leaves unsent is sent by another one when it is closed, once and in order",
  () =>
    inPage(({ service, origin }) =>
      withChromium(async (first) => {
        const second = await first.newTab();
        await join(first, origin, { options: await nowhere(service), outbox: OUTBOX });
        await publish(first, "first", 30);
        await untilStored(first, OUTBOX, 30);

        const options = { url: service.url, token: await service.token("ann") };
        await join(second, origin, { options, outbox: OUTBOX });
        await publish(second, "second", 5);
        await second.waitFor("page.acknowledged.length === 5");
        // The messages of a tab that is open are its own.
        await untilStored(second, OUTBOX, 30);
        assert.deepEqual(await kept(second), numbered("second", 5));

        await first.close();
        await untilStored(second, OUTBOX, 0);
        assert.deepEqual(await kept(second), [...numbered("second", 5), ...numbered("first", 30)]);
        assert.deepEqual(await second.evaluateText("page.errors"), []);
        await second.evaluateText("page.client.close()");
      })
    ),
);

testWith(
  ["chromium"],
  "browser tabs: Chromium: what a tab had sent without hearing of it when it was closed is not said twice",
  () =>
    inPage(({ service, origin }) =>
      withChromium(async (first) => {
        const { port } = service.service.addresses.http;
        const proxy = new TcpProxy({ target: { hostname: "127.0.0.1", port } });
        try {
          const second = await first.newTab();
          const token = await service.token("ann");
          const websocketUrl = `ws://127.0.0.1:${proxy.port}/connection/websocket`;
          await join(first, origin, { options: { websocketUrl, token, enableQuic: false }, outbox: OUTBOX });
          await first.waitFor("page.client.store.getState().status === 'connected'");
          // From now on it hears nothing any more.
          proxy.delayToClient = 600_000;
          await publish(first, "first", 20);
          await untilStored(first, OUTBOX, 20);

          await join(second, origin, { options: { url: service.url, token }, outbox: OUTBOX });
          await second.waitFor("page.client.store.getState().channels.length === 1");
          for (let tries = 0; tries < 3_000 && (await kept(second)).length < 20; tries++) {
            await new Promise((resolve) => setTimeout(resolve, 25));
          }
          await untilStored(second, OUTBOX, 20);
          await first.close();
          await untilStored(second, OUTBOX, 0);
          await publish(second, "second", 1);
          await second.waitFor("page.client.store.getState().pending === 0");
          assert.deepEqual(await kept(second), [...numbered("first", 20), "second 0"]);
          await second.evaluateText("page.client.close()");
        } finally {
          await proxy.close();
        }
      })
    ),
);

testWith(
  ["chromium"],
  "browser tabs: Chromium: of several tabs that are left one takes a message over",
  () =>
    inPage(({ service, origin }) =>
      withChromium(async (first) => {
        const options = { url: service.url, token: await service.token("ann") };
        const others = await Promise.all([first.newTab(), first.newTab(), first.newTab()]);
        await join(first, origin, { options: await nowhere(service), outbox: OUTBOX });
        await publish(first, "first", 40);
        await untilStored(first, OUTBOX, 40);
        await Promise.all(others.map((each) => join(each, origin, { options, outbox: OUTBOX })));
        for (const each of others) await each.waitFor("page.client.store.getState().channels.length === 1");
        await first.close();
        await untilStored(others[0]!, OUTBOX, 0);
        const ids = await Promise.all(
          others.map(async (each) => {
            await each.waitFor("page.client.store.getState().pending === 0");
            return await each.evaluateText("page.acknowledged") as string[];
          }),
        );
        assert.equal(ids.flat().length, 40, "each was sent by one tab");
        assert.equal(new Set(ids.flat()).size, 40);
        assert.deepEqual(await kept(others[0]!), numbered("first", 40));
        for (const each of others) await each.evaluateText("page.client.close()");
      })
    ),
);

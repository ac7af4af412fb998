/** The SDK as pages get it, in real browsers, against the real service. */

import assert from "node:assert/strict";
import type { ClientOptions, SkeinClient } from "../../src/client/mod.ts";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import type { TestService } from "../support/service.ts";
import { UdpProxy } from "../support/udp_proxy.ts";
import { explained, inPage, join, type Page, untilStored } from "./in_page.ts";

declare const page: Page;

/** Both sides say `count` things; everything comes once and in order. */
async function converse(
  browser: BrowserPage,
  service: TestService,
  other: SkeinClient,
  count: number,
  during: (i: number) => void,
): Promise<void> {
  const heard: string[] = [];
  // A page that is connected is not yet on the channel, and is not sent what was said before.
  await explained(browser, service, browser.waitFor("page.subscribed"));
  await other.channel("chat:x").subscribe(({ text }) => heard.push(text!));
  const saying = browser.evaluate(async (count: number) => {
    const receipts = [];
    for (let i = 0; i < count; i++) {
      receipts.push(page.client.channel("chat:x").publish(`page ${i}`));
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return new Set((await Promise.all(receipts)).map(({ offset }) => offset)).size;
  }, count);
  const receipts: Promise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    receipts.push(other.channel("chat:x").publish(`other ${i}`));
    during(i);
    if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await Promise.all(receipts);
  assert.equal(await saying, count);
  await explained(browser, service, browser.waitFor(`page.got.length >= ${2 * count}`, 60_000));
  const got = await browser.evaluateText("page.got") as string[];
  for (let i = 0; heard.length < 2 * count && i < 3_000; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(got, heard);
  for (const who of ["page", "other"]) {
    assert.deepEqual(
      got.filter((text) => text.startsWith(who)),
      Array.from({ length: count }, (_, i) => `${who} ${i}`),
    );
  }
}

async function otherClient(service: TestService): Promise<SkeinClient> {
  const { SkeinClient } = await import("../../src/client/mod.ts");
  return new SkeinClient({ url: service.url, getToken: () => service.token("other"), enableQuic: false });
}

/** The main flows: QUIC, then UDP dropped, then UDP passing again under traffic. */
async function mainFlows(browser: BrowserPage, service: TestService, origin: string): Promise<void> {
  const token = await service.token("ann");
  await join(browser, origin, { options: { url: service.url, token } });
  await browser.waitFor("page.client.manager.getTransportType() === 'webtransport'");
  const other = await otherClient(service);
  const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
  try {
    await converse(browser, service, other, 100, () => {});
    await browser.evaluateText("page.client.close()");

    proxy.blackHole = true;
    const quicUrl = `https://127.0.0.1:${proxy.port}/connection/webtransport`;
    await join(browser, origin, { options: { url: service.url, token, quicUrl, quicTimeout: 1000 } });
    await browser.waitFor("page.client.manager.getTransportType() === 'websocket'");
    await converse(browser, service, other, 400, (i) => {
      if (i === 20) proxy.blackHole = false;
    });
    await explained(browser, service, browser.waitFor("page.moves.length > 0", 20_000));
    assert.deepEqual(await browser.evaluateText("page.moves"), ["websocket>webtransport"]);
    await browser.evaluateText("page.client.close()");
  } finally {
    await other.close();
    await proxy.close();
  }
}

testWith(
  ["chromium"],
  "browser: Chromium: QUIC, fallback, and back to QUIC in the middle of a conversation",
  () => inPage(({ service, origin }) => withChromium((browser) => mainFlows(browser, service, origin))),
);

testWith(
  ["firefox"],
  "browser: Firefox: QUIC, fallback, and back to QUIC in the middle of a conversation",
  () => inPage(({ service, origin }) => withFirefox((browser) => mainFlows(browser, service, origin))),
);

testWith(
  ["chromium"],
  "browser: Chromium: a page that is reloaded with unsent messages sends them, once and in order",
  () =>
    inPage(({ service, origin }) =>
      withChromium(async (browser) => {
        const token = await service.token("ann");
        const nowhere = { websocketUrl: "ws://127.0.0.1:9/", enableQuic: false, token };
        await join(browser, origin, { options: nowhere, outbox: "unsent" });
        await browser.evaluate(() => {
          const channel = page.client.channel("chat:x");
          for (let i = 0; i < 50; i++) channel.publish(`unsent ${i}`).catch(() => {});
        });
        await untilStored(browser, "unsent", 50);
        await join(browser, origin, { options: nowhere, outbox: "unsent" });
        await browser.waitFor("page.client.store.getState().pending === 50");
        await join(browser, origin, { options: { url: service.url, token }, outbox: "unsent" });
        // All may be acknowledged before anybody can look, and before the page is on the channel: the disk tells.
        await untilStored(browser, "unsent", 0);
        const { messages } = await browser.evaluateText("page.client.channel('chat:x').history()") as {
          messages: { text: string }[];
        };
        assert.deepEqual(
          messages.map(({ text }) => text),
          Array.from({ length: 50 }, (_, i) => `unsent ${i}`),
        );
        await browser.evaluateText("page.client.close()");
      })
    ),
);

testWith(
  ["chromium"],
  "browser: Chromium: without WebTransport the session is on WebSocket at once, in silence",
  () =>
    inPage(({ service, origin }) =>
      withChromium(async (browser) => {
        await browser.goto(origin);
        await browser.evaluateText("void (delete globalThis.WebTransport)");
        const options = { url: service.url, token: await service.token("ann"), headStart: 30_000 };
        const outcome = await browser.evaluate(async (options: ClientOptions) => {
          const { SkeinClient } = await import("/skein.js" as string) as Page["skein"];
          const errors: string[] = [];
          const client = new SkeinClient({ ...options, autoConnect: false });
          client.on("error", ({ message }) => errors.push(message));
          await client.connect();
          const { fallbacks, connectTime } = client.manager.measure();
          const transport = client.manager.getTransportType();
          await client.close();
          return { transport, errors, fallbacks, waited: connectTime! >= 30_000 };
        }, options);
        assert.deepEqual(outcome, { transport: "websocket", errors: [], fallbacks: 0, waited: false });
      })
    ),
);

/** The SDK as pages get it, in real browsers, against the real service. */

import assert from "node:assert/strict";
import type { ClientOptions, SkeinClient } from "../../src/client/mod.ts";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { UdpProxy } from "../support/udp_proxy.ts";
import { buildSdk } from "./build.ts";

/** What a test page holds: `skein` is the SDK, `client` the one it made, `got` the texts that came. */
interface Page {
  skein: typeof import("../../src/client/mod.ts");
  client: SkeinClient;
  got: string[];
  moves: string[];
  errors: string[];
}
declare const page: Page;

interface Joining {
  options: ClientOptions;
  /** Keep the outbox in IndexedDB under this name. */
  outbox?: string;
}

/** A service, and a page of another origin that has the SDK and nothing else. */
async function inPage(
  run: (parts: { service: TestService; origin: string }) => Promise<void>,
): Promise<void> {
  const { code } = await buildSdk();
  const service = await startTestService({ http: { allowedOrigins: ["*"] } });
  const pages = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/skein.js") {
      return new Response(code, { headers: { "content-type": "text/javascript" } });
    }
    return new Response("<!doctype html><title>page</title>", { headers: { "content-type": "text/html" } });
  });
  try {
    await run({ service, origin: `http://127.0.0.1:${pages.addr.port}` });
  } finally {
    await pages.shutdown();
    await service.stop();
  }
}

/** Opens the page, makes a client there and joins `chat:x`. */
async function join(browser: BrowserPage, origin: string, joining: Joining): Promise<void> {
  await browser.goto(origin);
  await browser.evaluate(async ({ options, outbox }: Joining) => {
    const skein = await import("/skein.js" as string) as Page["skein"];
    const client = new skein.SkeinClient({
      ...options,
      reconnectDelay: 100,
      probing: { first: 200, max: 500 },
      ...(outbox === undefined ? {} : { outbox: { storage: skein.indexedDbOutbox(outbox) } }),
    });
    const got: string[] = [], moves: string[] = [], errors: string[] = [];
    client.on("transportchange", ({ from, to }) => moves.push(`${from}>${to}`));
    client.on("error", ({ error, message }) => errors.push(`${error} ${message}`));
    client.channel("chat:x").subscribe(({ text }) => got.push(text!)).catch(() => {});
    (globalThis as unknown as { page: Page }).page = { skein, client, got, moves, errors };
  }, joining);
}

/** Both sides say `count` things; everything comes once and in order. */
async function converse(
  browser: BrowserPage,
  other: SkeinClient,
  count: number,
  during: (i: number) => void,
): Promise<void> {
  const heard: string[] = [];
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
  await browser.waitFor(`page.got.length >= ${2 * count}`, 20_000);
  const got = await browser.evaluateText("page.got") as string[];
  for (let i = 0; heard.length < 2 * count && i < 500; i++) {
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

/** Waits until the page's outbox of this name has so many messages on disk. */
async function untilStored(browser: BrowserPage, name: string, count: number): Promise<void> {
  const stored = () =>
    browser.evaluate((name: string) =>
      new Promise<number>((resolve, reject) => {
        const opening = indexedDB.open(name);
        // The page has not made it yet, and nobody else is to: the page would find it without its store.
        opening.onupgradeneeded = () => {
          opening.transaction!.abort();
          resolve(0);
        };
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const counting = opening.result.transaction("messages").objectStore("messages").count();
          counting.onerror = () => reject(counting.error);
          counting.onsuccess = () => {
            opening.result.close();
            resolve(counting.result);
          };
        };
      }), name);
  let last = -1;
  for (let tries = 0; tries < 400; tries++) {
    if ((last = await stored()) === count) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.equal(last, count, "messages on disk");
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
  await converse(browser, other, 100, () => {});
  await browser.evaluateText("page.client.close()");

  const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
  try {
    proxy.blackHole = true;
    const quicUrl = `https://127.0.0.1:${proxy.port}/connection/webtransport`;
    await join(browser, origin, { options: { url: service.url, token, quicUrl, quicTimeout: 1000 } });
    await browser.waitFor("page.client.manager.getTransportType() === 'websocket'");
    await converse(browser, other, 400, (i) => {
      if (i === 20) proxy.blackHole = false;
    });
    await browser.waitFor("page.moves.length > 0", 20_000);
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
        const options = { url: service.url, token: await service.token("ann") };
        const outcome = await browser.evaluate(async (options: ClientOptions) => {
          const { SkeinClient } = await import("/skein.js" as string) as Page["skein"];
          const errors: string[] = [];
          const client = new SkeinClient({ ...options, autoConnect: false });
          client.on("error", ({ message }) => errors.push(message));
          await client.connect();
          const { fallbacks, connectTime } = client.manager.measure();
          const transport = client.manager.getTransportType();
          await client.close();
          return { transport, errors, fallbacks, waited: connectTime! >= 500 };
        }, options);
        assert.deepEqual(outcome, { transport: "websocket", errors: [], fallbacks: 0, waited: false });
      })
    ),
);

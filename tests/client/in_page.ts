/**
 * Pages of another origin than the service's that have the SDK and nothing else, for tests.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { ClientOptions, SkeinClient } from "../../src/client/mod.ts";
import type { BrowserPage } from "../support/browsers.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { buildSdk } from "./build.ts";

/** What a test page holds: `skein` is the SDK, `client` the one it made, `got` the texts that came. */
export interface Page {
  skein: typeof import("../../src/client/mod.ts");
  client: SkeinClient;
  got: string[];
  moves: string[];
  errors: string[];
  /** The server has put the client on `chat:x`: what others say from now on comes. */
  subscribed: boolean;
  /** Ids of messages that the server has committed. */
  acknowledged: string[];
}

/** How a page joins. */
export interface Joining {
  options: ClientOptions;
  /** Keep the outbox in IndexedDB under this name. */
  outbox?: string;
}

/** A service, and a page of another origin that has the SDK and nothing else. */
export async function inPage(
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
export async function join(browser: BrowserPage, origin: string, joining: Joining): Promise<void> {
  await browser.goto(origin);
  await browser.evaluate(async ({ options, outbox }: Joining) => {
    const skein = await import("/skein.js" as string) as Page["skein"];
    const client = new skein.SkeinClient({
      ...options,
      reconnectDelay: 100,
      probing: { first: 200, max: 500 },
      ...(outbox === undefined ? {} : { outbox: { storage: skein.indexedDbOutbox(outbox) } }),
    });
    const got: string[] = [], moves: string[] = [], errors: string[] = [], acknowledged: string[] = [];
    client.on("transportchange", ({ from, to }) => moves.push(`${from}>${to}`));
    client.on("error", ({ error, message }) => errors.push(`${error} ${message}`));
    client.on("acknowledged", ({ id }) => acknowledged.push(id));
    const page: Page = { skein, client, got, moves, errors, acknowledged, subscribed: false };
    client.channel("chat:x").subscribe(({ text }) => got.push(text!)).then(
      () => page.subscribed = true,
      (error) => errors.push(`subscribe: ${error.message}`),
    );
    (globalThis as unknown as { page: Page }).page = page;
  }, joining);
}

/** Rethrows what `work` fails with, together with what the page and the service know of each other. */
export async function explained<T>(browser: BrowserPage, service: TestService, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const page = await browser.evaluate(() => {
      const { client, got, moves, errors, subscribed } = (globalThis as unknown as { page: Page }).page;
      const { pending, status } = client.manager;
      const figures = client.manager.measure();
      return { subscribed, got: got.length, last: got.slice(-3), moves, errors, pending, status, figures };
    }).catch((error: Error) => error.message);
    const lines = service.lines.slice(-40).map((line) => JSON.stringify(line)).join("\n  ");
    const both = `page: ${JSON.stringify(page)}\nservice: ${
      JSON.stringify(await service.stats())
    }\n  ${lines}`;
    throw new Error(`${cause instanceof Error ? cause.message : cause}\n${both}`, { cause });
  }
}

/** Waits until the page's outbox of this name has so many messages on disk. */
export async function untilStored(browser: BrowserPage, name: string, count: number): Promise<void> {
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

/** Pages whose path dies, in real browsers: another one is found for the connection that is there. */

import assert from "node:assert/strict";
import { until } from "../integration/support.ts";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import { testWith } from "../support/needs.ts";
import type { Joined } from "./browser_page.ts";
import { reads, waitFor, write } from "./browser_support.ts";
import { TURN_LACKS, withRelayedPages } from "./browser_turn.ts";

declare const joined: Joined;
declare let kept: unknown;

/** The state, and not how often it was lost: a busy browser may lose a path for a moment before its server is killed. */
const NO_PATH = "joined.peer.connections.size === 1 && joined.paths[0] === undefined";
const LIMIT = { timeout: 300_000 };

/** Remembers the connection of a page, to be asked later whether it is the same. */
async function keep(page: BrowserPage): Promise<void> {
  await page.evaluate(() => {
    const [connection] = joined.peer.connections.values();
    kept = connection!.current;
  });
}

function isKept(page: BrowserPage): Promise<boolean> {
  return page.evaluate(() => {
    const [connection] = joined.peer.connections.values();
    return kept !== undefined && connection?.current === kept;
  });
}

/** The TURN server dies with every path and comes back; the channels go on, with the service and without. */
async function throughADeadPath(one: BrowserPage, two: BrowserPage): Promise<void> {
  await withRelayedPages([one, two], async ({ turn, service }) => {
    for (const each of [one, two]) await keep(each);
    await turn.kill();
    // Firefox takes longer to notice, and a page gives a connection up after a minute without a path.
    await Promise.all([one, two].map((each) => waitFor(each, NO_PATH)));
    await write(one, "by the service ");
    await reads(two, "by the service ");
    await turn.start();
    for (const each of [one, two]) await waitFor(each, "joined.paths[0] === 'relayed'");
    await service.kill();
    await write(two, "straight ");
    await reads(one, "by the service straight ");
    for (const each of [one, two]) assert.ok(await isKept(each), "the connection is the one of before");
    for (const each of [one, two]) assert.deepEqual(await each.evaluate(() => joined.errors), []);
  });
}

testWith(
  ["chromium", "coturn"],
  "peer browser: pages in Chromium whose path dies find another one and keep their channels",
  () => withChromium(async (one, browser) => throughADeadPath(one, await browser.newPage()), LIMIT),
  TURN_LACKS,
);

testWith(
  ["chromium", "firefox", "coturn"],
  "peer browser: pages in Firefox and Chromium whose path dies find another one and keep their channels",
  () => withChromium((one) => withFirefox((two) => throughADeadPath(one, two), LIMIT), LIMIT),
  TURN_LACKS,
);

testWith(
  ["chromium", "coturn"],
  "peer browser: a page that was loaded again while the path was dead is called anew",
  () =>
    withChromium(async (one, browser) => {
      const two = await browser.newPage();
      await withRelayedPages([one, two], async ({ turn, service, join }) => {
        await keep(one);
        await turn.kill();
        await waitFor(one, NO_PATH);
        await join(two);
        await turn.start();
        for (const each of [one, two]) await waitFor(each, "joined.paths[0] === 'relayed'");
        for (const each of [one, two]) await waitFor(each, "joined.shared.peers.length === 1");
        assert.equal(await isKept(one), false);
        await service.kill();
        await write(two, "as before");
        await reads(one, "as before");
      });
    }, LIMIT),
  TURN_LACKS,
);

declare let offers: number, asked: number, described: number;

testWith(
  ["chromium", "firefox", "coturn"],
  "peer browser: another network on either side leads to an offer of one side, and the channels go on",
  () =>
    withChromium((one) =>
      withFirefox((two) =>
        withRelayedPages([one, two], async ({ service }) => {
          const pages = [one, two];
          for (const each of pages) {
            await keep(each);
            await each.evaluate(() => {
              Object.assign(globalThis, { offers: 0, asked: 0, described: 0 });
              const { manager } = joined.client;
              const send = manager.send.bind(manager) as (type: string, payload: object) => Promise<unknown>;
              (manager as { send: unknown }).send = (type: string, payload: { replace?: boolean }) => {
                if (type === "peer_offer") offers++;
                if (type === "peer_candidate" && payload.replace === true) asked++;
                return send(type, payload);
              };
              const { prototype } = RTCPeerConnection;
              const describe = prototype.setRemoteDescription as (
                this: RTCPeerConnection,
                description: RTCSessionDescriptionInit,
              ) => Promise<void>;
              prototype.setRemoteDescription = async function (description: RTCSessionDescriptionInit) {
                await describe.call(this, description);
                described++;
              };
            });
          }
          for (const [i, each] of pages.entries()) {
            await each.evaluate(() => void globalThis.dispatchEvent(new Event("online")));
            for (const page of pages) await waitFor(page, `described > ${i}`);
          }
          await service.kill();
          await write(one, "all is well");
          await reads(two, "all is well");
          const counts = await Promise.all(pages.map((each) => each.evaluate(() => [offers, asked])));
          const [caller, called] = counts.sort((a, b) => b[0]! - a[0]!);
          assert.ok(caller![0]! >= 2 && caller![1] === 0, `${caller}: offers, and asks nobody for them`);
          assert.ok(called![0] === 0 && called![1]! >= 1, `${called}: offers nothing, and asks for it`);
          for (const each of pages) assert.ok(await isKept(each), "the connection is the one of before");
        }), LIMIT), LIMIT),
  TURN_LACKS,
);

declare let captured: Record<string, string> | undefined;

testWith(
  ["chromium", "coturn"],
  "peer browser: offers of another path that somebody in between says again or changes are not taken",
  () =>
    withChromium(async (one, browser) => {
      const two = await browser.newPage(), pages = [one, two];
      await withRelayedPages([one, two], async ({ service }) => {
        for (const each of pages) {
          await keep(each);
          await each.evaluate(() => {
            (globalThis as { captured?: unknown }).captured = undefined;
            const { manager } = joined.client;
            const send = manager.send.bind(manager) as (type: string, payload: object) => Promise<unknown>;
            (manager as { send: unknown }).send = (type: string, payload: Record<string, string>) => {
              if (type === "peer_offer") captured = payload;
              return send(type, payload);
            };
          });
        }
        await one.evaluate(() => void globalThis.dispatchEvent(new Event("online")));
        const find = async () => {
          for (const each of pages) if (await each.evaluate(() => captured !== undefined)) return each;
          return undefined;
        };
        await until("there was an offer", async () => await find() !== undefined);
        const caller = (await find())!, called = caller === one ? two : one;
        for (const page of pages) await waitFor(page, "joined.paths[0] === 'relayed'");
        const say = (change: Record<string, string>) =>
          caller.evaluate(async (change: Record<string, string>) => {
            await joined.client.manager.send("peer_offer", { ...captured, ...change } as never);
          }, change);
        await say({});
        await waitFor(called, "joined.errors.length === 1");
        await say({ certificate: "A".repeat(43) });
        await waitFor(called, "joined.errors.length === 2");
        await say({ answers: "A".repeat(43) });
        await waitFor(called, "joined.errors.length === 3");
        const codes = (await called.evaluate(() => joined.errors)).map((error) => error.split(":")[0]);
        assert.deepEqual(codes, ["bad_message", "authentication_failed", "authentication_failed"]);
        await service.kill();
        await write(one, "still here");
        await reads(two, "still here");
        for (const each of pages) assert.ok(await isKept(each), "the connection is the one of before");
      });
    }, LIMIT),
  TURN_LACKS,
);

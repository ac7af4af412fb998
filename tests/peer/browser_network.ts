/**
 * Two pages on a machine whose only network goes and is replaced by another one. To be run in a network namespace of its
 * own, by `browser_network.test.ts`; its arguments name the two browsers. Prints what happened as JSON.
 *
 * @module
 */

import { startServer } from "../crash/server.ts";
import { type BrowserPage, withChromium, withFirefox } from "../support/browsers.ts";
import type { Joined } from "./browser_page.ts";
import { joinPage, place, reads, servePage, waitFor, write } from "./browser_support.ts";

declare const joined: Joined;
declare let kept: unknown;

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args, stderr: "piped" }).output();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** A network of this machine alone, with a default route, or browsers do not use it. */
async function network(name: string, address: string): Promise<void> {
  await ip("link", "add", name, "type", "veth", "peer", "name", `${name}-far`);
  await ip("addr", "add", address, "dev", name);
  await ip("link", "set", `${name}-far`, "up");
  await ip("link", "set", name, "up", "multicast", "on");
  await ip("route", "add", "default", "dev", name);
}

async function run(one: BrowserPage, two: BrowserPage): Promise<void> {
  const at = await place();
  await using page = await servePage();
  await using service = await startServer(at);
  try {
    const options = { url: `http://127.0.0.1:${at.port}`, token: at.token };
    for (const each of [one, two]) await joinPage(each, page.origin, options);
    for (const each of [one, two]) await waitFor(each, "joined.shared.peers.length === 1");
    for (const each of [one, two]) await waitFor(each, "joined.remotes[0] === '10.91.1.2'");
    for (const each of [one, two]) {
      await each.evaluate(() => {
        const [connection] = joined.peer.connections.values();
        kept = connection!.current;
      });
    }
    await ip("link", "del", "lan0");
    await network("lan1", "10.91.2.2/24");
    for (const each of [one, two]) await waitFor(each, "joined.remotes[0] === '10.91.2.2'");
    await service.kill();
    await write(one, "over another network");
    await reads(two, "over another network");
    const states = [];
    for (const each of [one, two]) {
      states.push(
        await each.evaluate(() => {
          const [connection] = joined.peer.connections.values();
          return { isKept: kept !== undefined && connection?.current === kept, errors: joined.errors };
        }),
      );
    }
    console.log(JSON.stringify(states));
  } finally {
    await Deno.remove(at.directory, { recursive: true });
  }
}

await ip("link", "set", "lo", "up");
await network("lan0", "10.91.1.2/24");
// Names of multicast DNS in the place of addresses are of the first network for as long as a browser runs.
const LIMIT = {
  timeout: 200_000,
  chromiumFlags: ["--disable-features=WebRtcHideLocalIpsWithMdns"],
  firefoxPreferences: { "media.peerconnection.ice.obfuscate_host_addresses": false },
};
const browsers = { chromium: withChromium, firefox: withFirefox };
const [first, second] = Deno.args as (keyof typeof browsers)[];
await browsers[first!]((one) => browsers[second!]((two) => run(one, two), LIMIT), LIMIT);

/** The sample of a firewall, in a network of its own. */

import assert from "node:assert/strict";
import { find, testWith } from "../support/needs.ts";

const RULES = new URL("../../deploy/nftables.conf", import.meta.url).pathname;
const PROBE = new URL("./firewall_probe.ts", import.meta.url).pathname;

async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const text = new TextDecoder();
  assert.ok(success, `${program} ${args.join(" ")}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

testWith(
  ["nftables", "iproute2"],
  "deploy: the firewall bounds first packets of QUIC and connections, and lets everything else pass",
  async () => {
    const ip = find("iproute2")!, name = `skein-firewall-${Deno.pid}`;
    await run(ip, "netns", "add", name);
    try {
      const inside = ["netns", "exec", name];
      await run(ip, "-n", name, "link", "set", "lo", "up");
      await run(ip, ...inside, find("nftables")!, "-f", RULES);
      const probe = ["run", "--no-config", "--no-lock", "--no-check", "--unstable-net", "--allow-net", PROBE];
      const got = JSON.parse(await run(ip, ...inside, Deno.execPath(), ...probe));
      // 200 at once and 50 a second, of 1,000 that were sent, in the time that it took here.
      const most = Math.min(900, 250 + 50 * got.seconds);
      assert.ok(got.first >= 150 && got.first < most, JSON.stringify(got));
      assert.equal(got.short, 0, "what is too small for a first packet is dropped");
      assert.equal(got.other, 1000, "other packets pass");
      assert.ok(got.connections >= 150 && got.connections < most, JSON.stringify(got));
    } finally {
      await run(ip, "netns", "delete", name);
    }
  },
);

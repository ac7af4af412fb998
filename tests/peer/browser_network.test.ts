/** Pages whose machine changes its network, in real browsers and a real network. */

import assert from "node:assert/strict";
import { testWith } from "../support/needs.ts";
import { LAB_LACKS } from "./natlab.ts";

const PROGRAM = new URL("browser_network.ts", import.meta.url).pathname;
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

let spaces = 0;

/** What two pages in browsers of these kinds say after their machine has changed its network. */
async function afterAChange(...browsers: string[]): Promise<{ isKept: boolean; errors: string[] }[]> {
  const name = `skn${Deno.pid.toString(36)}-${spaces++}`;
  const ip = (...args: string[]) => new Deno.Command("ip", { args, stderr: "piped" }).output();
  await ip("netns", "add", name);
  try {
    const { stdout, stderr } = await ip(
      ...["netns", "exec", name, Deno.execPath(), "run", "-A", "--no-check", "--lock=tests/deno.lock"],
      ...[`--config=${CONFIG}`, PROGRAM, ...browsers],
    );
    const text = new TextDecoder().decode(stdout).trim();
    if (text === "") throw new Error(new TextDecoder().decode(stderr));
    return JSON.parse(text);
  } finally {
    await ip("netns", "del", name);
  }
}

testWith(
  ["chromium", "iproute2"],
  "peer browser: pages in Chromium keep their channels when the machine changes its network",
  async () => {
    const states = await afterAChange("chromium", "chromium");
    assert.deepEqual(states, [{ isKept: true, errors: [] }, { isKept: true, errors: [] }]);
  },
  LAB_LACKS,
);

testWith(
  ["chromium", "firefox", "iproute2"],
  "peer browser: pages in Firefox and Chromium find each other again when the machine changes its network",
  async () => {
    // Firefox ends a connection that has nothing to try for some seconds, as between two networks: another one follows.
    assert.equal((await afterAChange("chromium", "firefox")).length, 2);
  },
  LAB_LACKS,
);

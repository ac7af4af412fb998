/** What a configuration of webhooks may say. */

import assert from "node:assert/strict";
import { materialProblems } from "../../src/service/config/check.ts";
import { loadConfig } from "../../src/service/config/load.ts";
import { problemLine } from "../../src/service/config/problem.ts";
import { SECRETS } from "./support.ts";

const GOOD = {
  name: "shop",
  url: "https://shop.example.org/hooks",
  events: ["message"],
  secrets: [SECRETS[0]],
};

/** What is wrong with endpoints that differ from a good one in this. */
async function problems(...endpoints: Record<string, unknown>[]): Promise<string[]> {
  const config = { webhooks: { endpoints: endpoints.map((over) => ({ ...GOOD, ...over })) } };
  const loaded = await loadConfig({ path: "test", text: JSON.stringify(config), env: {} });
  const files = loaded.config === undefined ? [] : await materialProblems(loaded.config);
  return [...loaded.problems, ...files].map(problemLine);
}

Deno.test("webhook settings: a good endpoint has all defaults", async () => {
  const text = JSON.stringify({ webhooks: { endpoints: [GOOD] } });
  const { config } = await loadConfig({ path: "test", text, env: {} });
  const [endpoint] = config!.webhooks.endpoints;
  assert.deepEqual(endpoint, {
    ...GOOD,
    channels: ["*"],
    methods: ["*"],
    timeout: 3000,
    onFailure: "refuse",
    allowPrivate: false,
    concurrency: 16,
    batch: { size: 1, delay: 100 },
    retry: { attempts: 12, minDelay: 1000, maxDelay: 600_000, maxAge: 259_200_000 },
    queue: 100_000,
    deadLetters: 10_000,
  });
});

Deno.test("webhook settings: each mistake is named, and no secret is repeated", async () => {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "no secret\n");
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ url: "http://shop.example.org/" }, /endpoints\.0\.url: must start with https/],
    [{ url: "ftp://shop.example.org/" }, /endpoints\.0\.url/],
    [{ url: "https://ann:pw@shop.example.org/" }, /no user name or password/],
    [{ url: "https://shop.example.org/#x" }, /no fragment/],
    [{ name: "Shop" }, /endpoints\.0\.name/],
    [{ events: [] }, /endpoints\.0\.events/],
    [{ events: ["mesage"] }, /endpoints\.0\.events/],
    [{ secrets: [] }, /must have secrets or secretsFile/],
    [{ secrets: ["whsec_c2hvcnQ="] }, /endpoints\.0\.secrets/],
    [{ secretsFile: "/nowhere" }, /must have secrets or secretsFile/],
    [{ secrets: [], secretsFile: "/nowhere" }, /secretsFile.*no such file/],
    [{ secrets: [], secretsFile: file }, /secretsFile: must hold secrets/],
    [{ events: ["connect"], timeout: "10s" }, /endpoints\.0\.timeout: must be 4\.5s or less/],
    [{ retry: { minDelay: "10s", maxDelay: "1s" } }, /maxDelay: must not be below minDelay/],
    [{ retries: 3 }, /retries/],
  ];
  for (const [over, expected] of wrong) {
    const found = await problems(over);
    assert.ok(found.some((line) => expected.test(line)), `${JSON.stringify(over)}: ${found.join(" | ")}`);
    assert.equal(found.join().includes("c2hvcnQ"), false);
  }
  assert.match((await problems({}, {})).join(), /"shop" is there twice/);
  await Deno.remove(file);
});

Deno.test("webhook settings: secrets come from a file, one on a line", async () => {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, `${SECRETS.join("\n")}\n`);
  try {
    assert.deepEqual(await problems({ secrets: [], secretsFile: file }), []);
  } finally {
    await Deno.remove(file);
  }
});

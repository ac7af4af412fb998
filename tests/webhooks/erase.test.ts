/** What waits for an endpoint, and a user who is erased. */

import assert from "node:assert/strict";
import { createServerClient } from "../../src/client/server/mod.ts";
import { until } from "../client/crowd.ts";
import { OPEN } from "../integration/support.ts";
import { startTestService } from "../support/service.ts";
import { SECRETS, TestEndpoint } from "./support.ts";

const KEY = "key-of-the-back-end-of-a-test";

Deno.test("webhooks: what waits for an endpoint goes when its user is erased", async () => {
  await using endpoint = new TestEndpoint();
  endpoint.answer = () => new Response(null, { status: 503 });
  const settings = { name: "back-end", url: endpoint.url, allowPrivate: true, secrets: [SECRETS[0]!] };
  const retry = { minDelay: "20ms", maxDelay: "100ms" };
  const service = await startTestService({
    ...OPEN,
    api: { keys: [KEY] },
    webhooks: { endpoints: [{ ...settings, events: ["message"], retry }] },
  } as never);
  await using _running = { [Symbol.asyncDispose]: () => service.stop() };
  const api = createServerClient({ url: service.url, key: KEY });
  for (const from of ["ann", "bob"]) {
    await api.publish({ channel: "chat:a", from, text: `${from} says this` });
  }
  await until("an attempt with each", () => endpoint.requests > 1);
  assert.equal((await api.user_erase({ user: "ann" })).done, true);
  endpoint.answer = () => new Response(null, { status: 204 });
  await until("what bob says", () => endpoint.received.some(({ data }) => data.from === "bob"), 30_000);
  const end = Date.now() + 30_000;
  while ((await api.webhooks()).endpoints[0]!.waiting > 0) assert.ok(Date.now() < end, "something waits");
  assert.ok(!JSON.stringify(endpoint.received).includes("ann says this"));
});

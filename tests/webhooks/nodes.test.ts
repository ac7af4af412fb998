/** Webhooks of several nodes, and of a service that is killed. */

import assert from "node:assert/strict";
import { until } from "../client/crowd.ts";
import { makePlace, startServer } from "../crash/server.ts";
import { api, Cluster } from "../nodes/support.ts";
import { SECRETS, TestEndpoint } from "./support.ts";

function webhooks(endpoint: TestEndpoint, over: Record<string, unknown> = {}) {
  const { url } = endpoint;
  return {
    webhooks: {
      endpoints: [{
        name: "test",
        url,
        events: ["message"],
        allowPrivate: true,
        secrets: [SECRETS[0]!],
        ...over,
      }],
    },
  } as never;
}

const texts = (endpoint: TestEndpoint) => endpoint.received.map(({ data }) => data.payload.text as string);

Deno.test("webhooks on nodes: events of all nodes come, and one node tells them", async () => {
  await using endpoint = new TestEndpoint();
  await using cluster = await Cluster.start(3, webhooks(endpoint));
  const said: string[] = [];
  for (let i = 0; i < 60; i++) {
    said.push(`message ${i}`);
    await api(cluster.nodes[i % 3]!, "publish", { channel: "chat:a", text: said.at(-1) });
  }
  await until("all messages", () => endpoint.received.length >= said.length);
  assert.deepEqual(texts(endpoint).toSorted(), said.toSorted());
  const telling = await Promise.all(cluster.nodes.map((node) => api(node, "webhooks", {})));
  assert.equal(telling.filter(({ endpoints: [{ telling }] }) => telling).length, 1);
});

Deno.test("webhooks on nodes: when the node that tells ends, another goes on at once", async () => {
  await using endpoint = new TestEndpoint();
  await using cluster = await Cluster.start(2, webhooks(endpoint));
  const [first, second] = cluster.nodes;
  await api(second!, "publish", { channel: "chat:a", text: "before" });
  await until("the first message", () => endpoint.received.length === 1);
  await cluster.stop(first!);
  await api(second!, "publish", { channel: "chat:a", text: "after" });
  await until("the second message", () => endpoint.received.length === 2, 30_000);
  assert.deepEqual(texts(endpoint), ["before", "after"]);
});

Deno.test("webhooks on nodes: the end of a node's connections is told, although the node ends", async () => {
  await using endpoint = new TestEndpoint();
  await using cluster = await Cluster.start(2, webhooks(endpoint, { events: ["disconnect"] }));
  const [first, second] = cluster.nodes;
  await cluster.connect(first!, "websocket", "ann");
  await cluster.connect(second!, "websocket", "bob");
  await cluster.stop(first!);
  await until("the disconnect", () => endpoint.received.length > 0, 30_000);
  assert.deepEqual(endpoint.received.map(({ data }) => data.user), ["ann"]);
});

Deno.test("webhooks on nodes: when the node that tells dies, another goes on once its lease has lapsed", async () => {
  await using endpoint = new TestEndpoint();
  await using cluster = await Cluster.start(2, webhooks(endpoint));
  const [first, second] = cluster.nodes;
  first!.kill();
  await api(second!, "publish", { channel: "chat:a", text: "after" });
  await until("the message", () => endpoint.received.length === 1, 40_000);
});

Deno.test("webhooks: a service that is killed again and again loses no event of an acknowledged message", async () => {
  await using endpoint = new TestEndpoint();
  const key = "key-of-the-back-end-of-a-test";
  const place = await makePlace({
    api: { keys: [key] },
    ...webhooks(endpoint, {
      retry: { minDelay: "50ms", maxDelay: "500ms" },
      batch: { size: 20, delay: "10ms" },
    }) as object,
  });
  const acknowledged: string[] = [];
  let count = 0;
  try {
    for (let round = 0; round < 6; round++) {
      if (round === 2) await endpoint.stop();
      if (round === 4) endpoint.start();
      const server = await startServer(place);
      const end = Date.now() + 200 + Math.random() * 400;
      const killing = new Promise((resolve) => setTimeout(resolve, end - Date.now())).then(() =>
        server.kill()
      );
      await Promise.all(Array.from({ length: 8 }, async () => {
        while (Date.now() < end) {
          const text = `message ${count++}`;
          try {
            const answer = await fetch(`http://127.0.0.1:${place.port}/api/publish`, {
              method: "POST",
              headers: { "content-type": "application/json", "x-api-key": key },
              body: JSON.stringify({ channel: "chat:a", text }),
            });
            if ((await answer.json()).result !== undefined) acknowledged.push(text);
          } catch {
            // It was killed before it answered.
          }
        }
      }));
      await killing;
    }
    assert.ok(acknowledged.length > 50, `only ${acknowledged.length} messages`);
    await using _server = await startServer(place);
    await until("every event", () => {
      const got = new Set(texts(endpoint));
      return acknowledged.every((text) => got.has(text));
    }, 60_000);
    assert.equal(endpoint.forged, 0);
  } finally {
    await Deno.remove(place.directory, { recursive: true });
  }
});

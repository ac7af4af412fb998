/** Key packages at a running service: who gets which, on two nodes, and over a restart. */

import assert from "node:assert/strict";
import type { TestClient } from "../support/client.ts";
import { startTestService } from "../support/service.ts";
import { API_KEY, Cluster, SECRET, tokenOf } from "./support.ts";

const LAPTOP = "L".repeat(43), PHONE = "P".repeat(43);
const MAY_WRITE = { rights: ["direct_message"] };

interface Claimed {
  device: string;
  package: string;
  lastResort: boolean;
}

/** The code of the error that a message gets. */
async function refused(client: TestClient, type: string, payload: Record<string, unknown>): Promise<number> {
  try {
    await client.ask(type, payload);
  } catch (error) {
    return Number(/error (\d+)/.exec((error as Error).message)?.[1]);
  }
  return 0;
}

async function claim(client: TestClient, userId: string, devices?: string[]): Promise<Claimed[]> {
  const { type, payload } = await client.ask("key_packages_claim", {
    userId,
    ...devices === undefined ? {} : { devices },
  });
  assert.equal(type, "key_packages_claimed", JSON.stringify(payload));
  return payload.packages;
}

async function publish(client: TestClient, payload: Record<string, unknown>): Promise<number> {
  const answer = await client.ask("key_packages_publish", payload);
  assert.equal(answer.type, "key_packages_published", JSON.stringify(answer.payload));
  return answer.payload.count;
}

Deno.test("key packages: each is given out once on all nodes, then the last resort", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes;
  await using bob = await cluster.connect(a!, "websocket", "bob");
  await using ann = await cluster.connect(b!, "quic", "ann", { claims: MAY_WRITE });
  await using carl = await cluster.connect(a!, "webtransport", "carl", { claims: { peers: ["b*"] } });
  assert.equal(
    await publish(bob, { device: LAPTOP, packages: ["one", "two", "one"], lastResort: "last" }),
    2,
  );
  assert.equal(await publish(bob, { device: PHONE, packages: ["other"] }), 1);
  const claims = await Promise.all(
    Array.from({ length: 6 }, (_, i) => claim(i % 2 === 0 ? ann : carl, "bob", [LAPTOP])),
  );
  const given = claims.map((packages) => packages[0]!.package).sort();
  assert.deepEqual(given, ["last", "last", "last", "last", "one", "two"]);
  const both = await claim(carl, "bob");
  assert.deepEqual(both.map(({ package: each }) => each).sort(), ["last", "other"]);
  // Nothing is left of the phone, which has no last resort.
  assert.deepEqual((await claim(ann, "bob")).map(({ device }) => device), [LAPTOP]);
  assert.equal(await publish(bob, { device: LAPTOP, packages: ["three"] }), 1);
  assert.equal(await publish(bob, { device: LAPTOP, packages: ["four"], replace: true }), 1);
  assert.deepEqual(await claim(ann, "bob"), [{ device: LAPTOP, package: "four", lastResort: false }]);
  assert.deepEqual(await claim(ann, "bob"), [{ device: LAPTOP, package: "last", lastResort: true }]);
  assert.equal((await bob.ask("key_packages_remove", { device: LAPTOP })).type, "key_packages_removed");
  assert.deepEqual(await claim(ann, "bob"), []);
});

Deno.test("key packages: the owner is told at another node when few are left, and claims are counted", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes;
  await using bob = await cluster.connect(a!, "websocket", "bob");
  await using phone = await cluster.connect(b!, "quic", "bob");
  await using ann = await cluster.connect(b!, "websocket", "ann", { claims: MAY_WRITE });
  await publish(bob, { device: LAPTOP, packages: ["one", "two"], lastResort: "last" });
  await claim(ann, "bob");
  for (const each of [bob, phone]) {
    const { payload } = await each.next("key_packages_low");
    assert.deepEqual([payload.device, payload.count, payload.from], [LAPTOP, 1, "bob"]);
  }
  for (let i = 0; i < 9; i++) await claim(ann, "bob");
  assert.equal(await refused(ann, "key_packages_claim", { userId: "bob" }), 111);
  const text = await (await fetch(new URL("/metrics", b!.url), { headers: { "x-api-key": API_KEY } })).text();
  for (const [outcome, count] of Object.entries({ given: 2, last_resort: 8, limited: 1 })) {
    assert.match(text, new RegExp(`skein_key_packages_claimed_total{outcome="${outcome}"} ${count}\n`));
  }
});

Deno.test("key packages: only who may write to a user or meet its peers gets them", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  await using bob = await cluster.connect(node!, "websocket", "bob");
  await publish(bob, { device: LAPTOP, packages: ["one"] });
  const ask = { userId: "bob" };
  const eve = (claims: Record<string, unknown>) => cluster.connect(node!, "websocket", "eve", { claims });
  await using stranger = await eve({ rights: [], peers: ["carl"] });
  assert.equal(await refused(stranger, "key_packages_claim", ask), 103);
  await using lister = await eve({ rights: ["client_list"] });
  assert.equal(await refused(lister, "key_packages_claim", ask), 103);
  await using peer = await eve({ peers: ["bob"] });
  assert.equal((await claim(peer, "bob")).length, 1);
});

Deno.test("key packages: a user's are bounded, and what does not fit is refused", async () => {
  await using cluster = await Cluster.start(1);
  await using bob = await cluster.connect(cluster.nodes[0]!, "websocket", "bob");
  const code = (type: string, payload: Record<string, unknown>) => refused(bob, type, payload);
  let count = 0;
  for (let batch = 0; batch < 3; batch++) {
    const packages = Array.from({ length: 32 }, (_, i) => `p${batch * 32 + i}`);
    count = await publish(bob, { device: LAPTOP, packages });
  }
  assert.equal(count, 64);
  assert.equal((await claim(bob, "bob"))[0]!.package, "p32");
  const device = (i: number): string => `D${i}`.padEnd(43, "x");
  for (let i = 0; i < 15; i++) await publish(bob, { device: device(i), packages: ["p"] });
  assert.equal(await code("key_packages_publish", { device: device(15), packages: ["p"] }), 106);
  assert.equal((await claim(bob, "bob")).length, 16);
  await bob.ask("key_packages_remove", { device: device(3) });
  assert.equal(await publish(bob, { device: device(15), packages: ["p"] }), 1);
  for (
    const payload of [
      { device: "short", packages: [] },
      { device: LAPTOP, packages: ["not base64url!"] },
      { device: LAPTOP, packages: Array(33).fill("p") },
      { device: LAPTOP, packages: ["p".repeat(16_385)] },
    ]
  ) assert.equal(await code("key_packages_publish", payload), 108);
  assert.equal(await code("key_packages_claim", { userId: "bob", devices: ["short"] }), 108);
});

Deno.test("key packages: they survive a restart of the service", async () => {
  const path = await Deno.makeTempDir({ prefix: "skein-key-packages-" });
  const input = {
    auth: { keys: [{ alg: "HS256" as const, secret: SECRET }] },
    engine: { kind: "sqlite" as const, sqlite: { path: `${path}/skein.db`, files: `${path}/files` } },
  };
  try {
    for (const round of [0, 1]) {
      const service = await startTestService(input);
      try {
        await using bob = await service.dial("websocket");
        await bob.authenticate(await tokenOf("bob"));
        if (round === 0) await publish(bob, { device: LAPTOP, packages: ["one"], lastResort: "last" });
        else assert.equal((await claim(bob, "bob"))[0]!.package, "one");
      } finally {
        await service.stop();
      }
    }
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

/** Sessions that go on on another node, over real sockets. */

import assert from "node:assert/strict";
import { KINDS, type TestClient } from "../support/client.ts";
import { authOf, Cluster, tokenOf, until } from "./support.ts";

const CHANNEL = "chat:general";

/** Where a client stands on a channel. */
function pointOf(client: TestClient, channel = CHANNEL): { epoch: string; offset: number } {
  const begin = client.messages.find(({ type, payload }) =>
    type === "subscribed" && payload.channel === channel
  );
  const { epoch, offset } = begin?.payload ?? (authOf(client).channels as Record<string, never>)[channel]!;
  const last = client.messages.findLast(({ type, payload }) =>
    type === "chat_message" && payload.channel === channel
  );
  return { epoch: epoch as string, offset: (last?.payload.offset ?? offset) as number };
}

const texts = (client: TestClient) =>
  client.messages.filter(({ type }) => type === "chat_message").map(({ payload }) => payload.text);

const presenceOf = (client: TestClient) =>
  client.messages.filter(({ type }) => type.startsWith("user_")).map(({ type, payload }) =>
    `${payload.userId} ${type}`
  );

async function say(client: TestClient, text: string): Promise<void> {
  await client.ask("chat_message", { channel: CHANNEL, text });
}

for (const kind of KINDS) {
  Deno.test(`nodes: a session goes on on another node, seen by nobody (${kind})`, async () => {
    await using cluster = await Cluster.start(2);
    const [a, b] = cluster.nodes;
    await using bob = await cluster.connect(b!, "websocket", "bob");
    await bob.ask("subscribe", { channel: CHANNEL });
    await using first = await cluster.connect(a!, kind, "ann");
    await first.ask("subscribe", { channel: CHANNEL });
    await first.ask("subscribe", { channel: "chat:not-named" });
    await say(bob, "before");
    await until("it has come", () => texts(first).length === 1);
    const point = pointOf(first);
    await say(bob, "meanwhile");
    const { sessionId } = authOf(first);
    await using second = await cluster.connect(b!, kind, "ann", {
      resume: { sessionId, channels: { [CHANNEL]: point } },
    });
    assert.deepEqual([authOf(second).resumed, authOf(second).sessionId], [true, sessionId]);
    assert.equal((await first.ended()).code, 3503);
    await say(bob, "after");
    await until("both have come", () => texts(second).length === 2);
    assert.deepEqual(texts(second), ["meanwhile", "after"]);
    const who = await bob.ask("presence", { channel: CHANNEL });
    assert.deepEqual((who.payload.users as { userId: string }[]).map(({ userId }) => userId), ["bob", "ann"]);
    assert.deepEqual(presenceOf(bob), ["ann user_online"]);
    // The second node has been told of the channel that the client did not name, and leaves it in time.
    assert.ok(b!.lines.every(({ event }) => event !== "hub failure"));
    const figures = await Promise.all(cluster.nodes.map((node) => stats(node)));
    assert.deepEqual(figures.map(({ sessions }) => sessions.attached), [0, 2]);
    assert.equal(figures[1].resumes.moved, 1);
  });
}

// deno-lint-ignore no-explicit-any
async function stats({ url }: { url: string }): Promise<any> {
  const answer = await fetch(`${url}/stats`, { headers: { "x-api-key": "key-of-the-back-end-of-a-test" } });
  return await answer.json();
}

Deno.test("nodes: a session of a node that died goes on at once, with what was missed", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes;
  await using bob = await cluster.connect(b!, "websocket", "bob");
  await using first = await cluster.connect(a!, "quic", "ann");
  await first.ask("subscribe", { channel: CHANNEL });
  const point = pointOf(first);
  a!.kill();
  await say(bob, "missed");
  await using second = await cluster.connect(b!, "quic", "ann", {
    resume: { sessionId: authOf(first).sessionId, channels: { [CHANNEL]: point } },
  });
  assert.deepEqual([authOf(second).resumed, authOf(second).sessionId], [true, authOf(first).sessionId]);
  await until("it has come", () => texts(second).length === 1);
  assert.deepEqual(texts(first), []);
});

Deno.test("nodes: a node that ends sends its clients away, and they resume on another", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes;
  await using first = await cluster.connect(a!, "websocket", "ann");
  await first.ask("subscribe", { channel: CHANNEL });
  const point = pointOf(first);
  await cluster.stop(a!);
  assert.equal((await first.ended()).code, 3001);
  await using bob = await cluster.connect(b!, "websocket", "bob");
  await say(bob, "missed");
  const { sessionId } = authOf(first);
  await using second = await cluster.connect(b!, "websocket", "ann", {
    resume: { sessionId, channels: { [CHANNEL]: point } },
  });
  assert.deepEqual([authOf(second).resumed, authOf(second).sessionId], [true, sessionId]);
  await until("it has come", () => texts(second).length === 1);
});

Deno.test("nodes: of resumes on two nodes at once one has the session, and the other ends with 3503", async () => {
  await using cluster = await Cluster.start(3);
  const [a, b, c] = cluster.nodes;
  await using first = await cluster.connect(a!, "websocket", "ann");
  const { sessionId } = authOf(first);
  const token = await tokenOf("ann");
  const rivals = await Promise.all([b!, c!].map((node) => node.dial("websocket")));
  // The one that loses may end before it is answered.
  await Promise.allSettled(
    rivals.map((rival) => rival.request("auth_request", { token, resume: { sessionId, channels: {} } })),
  );
  assert.equal((await first.ended()).code, 3503);
  const owner = cluster.store.nodes.claims.locate(sessionId);
  const ended = await Promise.race(rivals.map(async (rival, i) => ({ i, code: (await rival.ended()).code })));
  assert.equal(ended.code, 3503);
  const winner = rivals[1 - ended.i]!;
  assert.deepEqual([authOf(winner).resumed, authOf(winner).sessionId], [true, sessionId]);
  assert.equal(authOf(winner).node, cluster.nodes[2 - ended.i]!.config.node);
  const claims = cluster.store.nodes.claims.find({ user: "ann" });
  assert.deepEqual(claims.map(({ node }) => node), [owner?.node]);
  await winner.ask("ping", {});
  for (const rival of rivals) await rival.close();
});

Deno.test("nodes: what a dead node leaves behind goes by its leases", async () => {
  await using cluster = await Cluster.start(2, { session: { resumeWindow: "1s" } });
  const [a, b] = cluster.nodes;
  await using bob = await cluster.connect(b!, "websocket", "bob");
  await bob.ask("subscribe", { channel: CHANNEL });
  await using ann = await cluster.connect(a!, "websocket", "ann");
  await ann.ask("subscribe", { channel: CHANNEL });
  await until("she is seen", () => presenceOf(bob).length === 1);
  const alive = setInterval(() => void bob.send("ping", {}).catch(() => {}), 1000);
  try {
    a!.kill();
    const names = async () => (await stats(b!)).nodes.map(({ name }: { name: string }) => name);
    assert.deepEqual(await names(), ["n0", "n1"]);
    await until("the node is taken for dead", async () => (await names()).length === 1, 30_000);
    const { sessionId } = authOf(ann);
    await until("its claims lapse", () => cluster.store.nodes.claims.locate(sessionId) === undefined);
    await using late = await cluster.connect(b!, "websocket", "ann", {
      resume: { sessionId, channels: {} },
    });
    assert.equal(authOf(late).resumed, false);
    await until("its presence lapses", () => presenceOf(bob).length === 2, 60_000);
    assert.deepEqual(presenceOf(bob), ["ann user_online", "ann user_offline"]);
    const { payload } = await bob.ask("presence", { channel: CHANNEL });
    assert.deepEqual((payload.users as { userId: string }[]).map(({ userId }) => userId), ["bob"]);
  } finally {
    clearInterval(alive);
  }
});

/** What one node has done on another: bots, the server API, keys that are withdrawn. */

import assert from "node:assert/strict";
import { type TestClient } from "../support/client.ts";
import { api, authOf, Cluster, SECRET, tokenOf, until } from "./support.ts";

const BOT = { claims: { bot: "echo" } };
const claimsOf = (cluster: Cluster, user: string) => cluster.store.nodes.claims.find({ user }).length;
const told = (client: TestClient, type: string) => client.messages.filter((message) => message.type === type);

Deno.test("nodes: a bot serves commands of users on other nodes, over each transport", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes;
  await using bot = await cluster.connect(a!, "websocket", "echo-user", BOT);
  for (const kind of ["quic", "websocket"] as const) {
    await using ann = await cluster.connect(b!, kind, "ann");
    await ann.openLane(200);
    const asked = [];
    for (let n = 0; n < 20; n++) {
      asked.push(await ann.send("bot_command", { bot: "echo", command: `say-${n}` }, { lane: 200 }));
    }
    for (const [n, id] of asked.entries()) {
      const command = await bot.next("bot_command");
      assert.deepEqual(
        [command.id, command.payload.command, command.payload.from, command.payload.session],
        [id, `say-${n}`, "ann", authOf(ann).sessionId],
      );
      await bot.send("bot_response", { to: authOf(ann).sessionId, text: `said ${n}` }, { re: id });
      const response = await ann.next("bot_response");
      assert.equal(response.re, id);
      assert.deepEqual(response.payload, {
        bot: "echo",
        from: "echo-user",
        command: `say-${n}`,
        kind: "answer",
        text: `said ${n}`,
      });
      assert.equal(response.lane, kind === "quic" ? 200 : 0);
    }
  }
});

Deno.test("nodes: a bot that is on no node is unknown, and so is a session that has left", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes;
  await using ann = await cluster.connect(b!, "websocket", "ann");
  const ask = () => ann.request("bot_command", { bot: "echo", command: "say" });
  assert.equal((await ask()).payload.name, "unknown_bot");
  await using bot = await cluster.connect(a!, "websocket", "echo-user", BOT);
  await ann.send("bot_command", { bot: "echo", command: "say" });
  const { id: re } = await bot.next("bot_command");
  await ann.close(1000);
  const left = (user: string) => until(`${user} has left`, () => claimsOf(cluster, user) === 0);
  await left("ann");
  const answer = await bot.request("bot_response", { to: authOf(ann).sessionId, text: "late" }, { re });
  assert.equal(answer.payload.name, "command_over");
  await bot.close(1000);
  await left("echo-user");
  await using bob = await cluster.connect(b!, "websocket", "bob");
  const again = await bob.request("bot_command", { bot: "echo", command: "say" });
  assert.equal(again.payload.name, "unknown_bot");
});

Deno.test("nodes: a bot on a node that died is unknown", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes;
  await using _bot = await cluster.connect(a!, "websocket", "echo-user", BOT);
  await using ann = await cluster.connect(b!, "websocket", "ann");
  a!.kill();
  const answer = await ann.request("bot_command", { bot: "echo", command: "say" });
  assert.equal(answer.payload.name, "unknown_bot");
});

Deno.test("nodes: the server API reaches sessions on all nodes, whichever node is asked", async () => {
  await using cluster = await Cluster.start(3);
  const [a, b, c] = cluster.nodes;
  await using first = await cluster.connect(a!, "websocket", "ann");
  await using second = await cluster.connect(b!, "quic", "ann");
  await using bob = await cluster.connect(b!, "websocket", "bob");
  const of = { user: "ann", channel: "chat:news" };
  assert.deepEqual(await api(c!, "subscribe", of), { sessions: 2 });
  for (const client of [first, second]) {
    assert.equal((await client.next("subscribed")).payload.channel, "chat:news");
  }
  await api(c!, "publish", { channel: "chat:news", text: "hello" });
  for (const client of [first, second]) {
    assert.equal((await client.next("chat_message")).payload.text, "hello");
  }
  const only = { ...of, session: authOf(second).sessionId };
  assert.deepEqual(await api(a!, "unsubscribe", only), { sessions: 1 });
  assert.equal((await second.next("unsubscribed")).payload.channel, "chat:news");
  assert.deepEqual(told(first, "unsubscribed"), []);
  assert.deepEqual(await api(a!, "unsubscribe", only), { sessions: 0 });
  assert.equal((await api(a!, "subscribe", { user: "nobody", channel: "chat:news" })).name, "unknown_user");
  // What the user may not read is refused on the node that has the user, and told here.
  assert.equal(
    (await api(c!, "subscribe", { user: "bob", channel: "broadcast:other" })).name,
    "permission_denied",
  );

  const list = await api(c!, "connections", {});
  const names = list.items.map((item: { node: string; userId: string }) => `${item.userId} ${item.node}`);
  assert.deepEqual(names.sort(), ["ann n0", "ann n1", "bob n1"]);
  assert.equal(list.more, false);
  const some = await api(c!, "connections", { limit: 2 });
  assert.deepEqual([some.items.length, some.more], [2, true]);
  const own = await api(a!, "connections", { user: "ann" });
  assert.deepEqual(own.items.map(({ node }: { node: string }) => node), ["n0", "n1"]);

  const { sessionId } = authOf(first);
  assert.deepEqual(await api(c!, "disconnect", { user: "ann", session: sessionId, reason: "one" }), {
    connections: 1,
  });
  const { code, reason } = await first.ended();
  assert.deepEqual([code, reason], [3508, "one"]);
  assert.deepEqual(await api(a!, "disconnect", { user: "ann" }), { connections: 1 });
  assert.equal((await second.ended()).code, 3508);
  await until("its claims have gone", () => claimsOf(cluster, "ann") === 0);
  assert.deepEqual(await api(a!, "disconnect", { user: "ann" }), { connections: 0 });
  await bob.ask("ping", {});
});

Deno.test("nodes: many connections of another node are listed page by page", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes;
  // More than one page of 500; they need not authenticate to be listed.
  const clients = [];
  for (let i = 0; i < 520; i++) clients.push(await a!.dial("websocket"));
  try {
    const all = await api(b!, "connections", { limit: 10_000 });
    const ids = new Set(all.items.map(({ connectionId }: { connectionId: string }) => connectionId));
    assert.deepEqual([all.items.length, ids.size, all.more], [520, 520, false]);
    const some = await api(b!, "connections", { limit: 510 });
    assert.deepEqual([some.items.length, some.more], [510, true]);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
});

Deno.test("nodes: a key that one node no longer trusts ends connections on all of them", async () => {
  const old = "the old secret, of at least thirty-two bytes too";
  const directory = await Deno.makeTempDir({ prefix: "skein-keys-" });
  const secretFile = `${directory}/secret`;
  await Deno.writeTextFile(secretFile, old);
  const keys = [{ alg: "HS256", kid: "new", secret: SECRET }, {
    alg: "HS256",
    kid: "old",
    secretFile,
  }] as const;
  await using cluster = await Cluster.start(3, { auth: { keys: [...keys] } });
  const connect = async (n: number, token: string) => {
    const client = await cluster.nodes[n]!.dial("websocket");
    await client.authenticate(token);
    return client;
  };
  try {
    const kept = await tokenOf("ann", {}, { kid: "new" });
    const withdrawn = await tokenOf("bob", {}, { secret: old, kid: "old" });
    const anns = await Promise.all([0, 1, 2].map((n) => connect(n, kept)));
    const bobs = await Promise.all([1, 2].map((n) => connect(n, withdrawn)));
    // The file that the configuration of each names is not watched: only the first node is told to look.
    await Deno.writeTextFile(secretFile, "another secret, of at least thirty-two bytes");
    assert.equal(await cluster.nodes[0]!.service.reload(), true);
    for (const bob of bobs) assert.equal((await bob.ended()).code, 3500);
    for (const ann of anns) await ann.ask("ping", {});
    // They do not tell each other of it for ever.
    const reloads = () =>
      cluster.nodes.map(({ lines }) =>
        lines.filter(({ event }) => event === "configuration in force").length
      );
    const before = reloads();
    for (const ann of anns) await ann.ask("ping", {});
    assert.ok(reloads().every((count) => count >= 1 && count <= 4), `${before}, ${reloads()}`);
    await Promise.all(anns.map((ann) => ann.close()));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** The server API on two nodes of one store: whichever is asked, both act. */

import assert from "node:assert/strict";
import type { TestClient } from "../support/client.ts";
import { api, authOf, Cluster, type TestNode, tokenOf } from "./support.ts";

/** What becomes of a client that shows this token to a node. */
async function refusal(node: TestNode, token: string): Promise<number | undefined> {
  await using client = await node.dial("websocket");
  const open = client.authenticate(token).then(() => undefined, () => 0);
  return await Promise.race([open, client.ended().then(({ code }) => code)]) || undefined;
}

async function dial(node: TestNode, token: string): Promise<TestClient> {
  const client = await node.dial("websocket");
  await client.authenticate(token);
  return client;
}

Deno.test("server api: a blocked user is ended on all nodes and refused by all until unblocked", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes as [TestNode, TestNode];
  await using first = await cluster.connect(a, "websocket", "ann");
  await using second = await cluster.connect(b, "quic", "ann");
  await using bob = await cluster.connect(b, "websocket", "bob");
  assert.deepEqual(await api(a, "block", { user: "ann" }), { connections: 2 });
  for (const client of [first, second]) assert.equal((await client.ended()).code, 3500);
  const token = await tokenOf("ann");
  for (const node of [a, b]) assert.equal(await refusal(node, token), 3500);
  await bob.ask("ping", {});
  assert.deepEqual(await api(b, "unblock", { user: "ann" }), { unblocked: true });
  assert.deepEqual(await api(a, "unblock", { user: "ann" }), { unblocked: false });
  await using again = await dial(a, token);
  await again.ask("ping", {});
});

Deno.test("server api: a revoked token is ended on all nodes, and other tokens of its user are not", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes as [TestNode, TestNode];
  const named = await tokenOf("ann", { jti: "one" }), other = await tokenOf("ann", { jti: "two" });
  await using first = await dial(b, named);
  await using second = await dial(b, other);
  assert.deepEqual(await api(a, "revoke", { jti: "one" }), { connections: 1 });
  assert.equal((await first.ended()).code, 3500);
  await second.ask("ping", {});
  for (const node of [a, b]) assert.equal(await refusal(node, named), 3500);
  const answer = await second.request("auth_refresh", { token: other });
  assert.equal(answer.type, "auth_response");
});

Deno.test("server api: tokens issued before a time are revoked for a user and for everybody", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes as [TestNode, TestNode];
  const now = Math.floor(Date.now() / 1000);
  const old = await tokenOf("ann", { iat: now - 100 }), fresh = await tokenOf("ann", { iat: now + 100 });
  const bobs = await tokenOf("bob", { iat: now - 100 });
  await using first = await dial(a, old);
  await using second = await dial(b, fresh);
  await using third = await dial(b, bobs);
  assert.deepEqual(await api(b, "revoke", { user: "ann" }), { connections: 1 });
  assert.equal((await first.ended()).code, 3500);
  await second.ask("ping", {});
  assert.equal(await refusal(b, old), 3500);
  // An earlier time takes nothing back.
  await api(a, "revoke", { user: "ann", issuedBefore: now - 1000 });
  assert.equal(await refusal(b, old), 3500);
  assert.deepEqual(await api(a, "revoke", { issuedBefore: now }), { connections: 1 });
  assert.equal((await third.ended()).code, 3500);
  assert.equal(await refusal(a, bobs), 3500);
  assert.equal(await refusal(a, fresh), undefined);
  // Without `iat` nobody knows when it was issued.
  assert.equal(await refusal(a, await tokenOf("eve")), 3500);
});

Deno.test("server api: one session is sent something and looked up from another node", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes as [TestNode, TestNode];
  await using ann = await cluster.connect(b, "websocket", "ann");
  const { sessionId: session } = authOf(ann);
  assert.deepEqual(await api(a, "send", { session, data: { go: 1 } }), { sent: true });
  assert.deepEqual((await ann.next("server_message")).payload, { data: { go: 1 } });
  assert.deepEqual(await api(a, "send", { session: "nobody", text: "x" }), { sent: false });
  const { connection, subscriptions } = await api(a, "connection", { session });
  assert.deepEqual([connection.userId, connection.node], ["ann", "n1"]);
  assert.deepEqual(subscriptions.sort(), ["broadcast:all", "user:ann"]);
  assert.equal((await api(a, "connection", { session: "nobody" })).name, "unknown_user");
});

Deno.test("server api: refreshed claims hold for sessions on all nodes", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes as [TestNode, TestNode];
  await using ann = await cluster.connect(b, "websocket", "ann");
  await ann.ask("subscribe", { channel: "chat:a" });
  await ann.ask("subscribe", { channel: "chat:b" });
  assert.deepEqual(await api(a, "refresh", { user: "ann", channels: ["chat:b"] }), { sessions: 1 });
  const left = await ann.next("unsubscribed");
  assert.deepEqual(left.payload, { channel: "chat:a", reason: "permission_denied" });
  assert.equal((await ann.request("subscribe", { channel: "chat:a" })).payload.name, "permission_denied");
  await ann.ask("chat_message", { channel: "chat:b", text: "still here" });
  assert.equal((await api(a, "refresh", { user: "ann", channels: ["with space"] })).name, "bad_payload");
  assert.equal((await api(a, "refresh", { user: "nobody", expiresIn: 10 })).name, "unknown_user");
});

Deno.test("server api: channels and users of all nodes are listed in pages, with sums", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes as [TestNode, TestNode];
  await using ann = await cluster.connect(a, "websocket", "ann");
  await using again = await cluster.connect(b, "websocket", "ann");
  await using bob = await cluster.connect(b, "websocket", "bob");
  for (const client of [ann, again, bob]) await client.ask("subscribe", { channel: "chat:x" });
  await bob.ask("subscribe", { channel: "chat:y" });
  for (const node of [a, b]) {
    assert.deepEqual(await api(node, "channels", { pattern: "chat:*" }), {
      channels: [{ channel: "chat:x", subscribers: 3 }, { channel: "chat:y", subscribers: 1 }],
      more: false,
    });
    assert.deepEqual(await api(node, "channels", { pattern: "chat:*", limit: 1 }), {
      channels: [{ channel: "chat:x", subscribers: 3 }],
      more: true,
    });
    assert.deepEqual(await api(node, "users", { limit: 1 }), {
      users: [{ userId: "ann", sessions: 2 }],
      more: true,
    });
    assert.deepEqual(await api(node, "users", { after: "ann" }), {
      users: [{ userId: "bob", sessions: 1 }],
      more: false,
    });
    assert.deepEqual(await api(node, "presence_stats", { channel: "chat:x" }), {
      channel: "chat:x",
      users: 2,
      sessions: 3,
    });
  }
});

Deno.test("server api: messages are edited, deleted and removed from the history", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes as [TestNode, TestNode];
  await using ann = await cluster.connect(b, "websocket", "ann");
  await ann.ask("subscribe", { channel: "chat:a" });
  const { offset: one } = (await ann.ask("chat_message", { channel: "chat:a", text: "one" })).payload;
  const { offset: two } = (await ann.ask("chat_message", { channel: "chat:a", text: "two" })).payload;
  const edit = { channel: "chat:a", target: one, text: "edited", id: "e1" };
  const edited = await api(a, "edit", edit);
  assert.deepEqual(await api(b, "edit", edit), { ...edited, duplicate: true });
  assert.deepEqual((await ann.next("chat_edit")).payload.text, "edited");
  await api(a, "delete", { channel: "chat:a", target: two });
  assert.equal((await ann.next("chat_delete")).payload.target, two);
  assert.equal((await api(a, "edit", { channel: "chat:a", target: 999, text: "x" })).name, "unknown_message");
  assert.equal(
    (await api(a, "edit", { channel: "chat:a", target: one, epoch: "other", text: "x" })).name,
    "wrong_epoch",
  );
  const texts = async () =>
    (await api(b, "history", { channel: "chat:a" })).messages.map(
      ({ payload }: { payload: { text?: string } }) => payload.text ?? null,
    );
  assert.deepEqual((await texts())[0], "edited");
  await api(a, "publish", { channel: "chat:a", text: "secret" });
  await api(a, "history_remove", { channel: "chat:a" });
  assert.ok(!JSON.stringify(await api(b, "history", { channel: "chat:a" })).includes("secret"));
  assert.ok((await texts()).length <= 2);
});

Deno.test("server api: one id of a call to two nodes has one effect", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes as [TestNode, TestNode];
  const said = { channel: "chat:a", text: "once", id: "same" };
  const first = await api(a, "publish", said);
  assert.deepEqual(await api(b, "publish", said), { ...first, duplicate: true });
  const inbox = await api(a, "direct", { user: "ann", text: "hi", id: "d" });
  assert.equal(inbox.channel, "user:ann");
  assert.equal((await api(b, "direct", { user: "ann", text: "hi", id: "d" })).duplicate, true);
});

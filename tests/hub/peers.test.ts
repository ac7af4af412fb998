/** Which session a peer is on, and what is kept of it. */

import assert from "node:assert/strict";
import type { Values } from "../../src/engine/contract.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { settle } from "../support/clock.ts";
import { join, makeHub } from "./support.ts";

const [ANN, BOB] = ["A", "B"].map((letter) => letter.repeat(43)) as [string, string];

function hubOnStore() {
  const engine = new MemoryEngine();
  const { hub } = makeHub({ engine });
  const kept = (peer: string) => engine.values.get({ name: `peer/${peer}` });
  return { hub, kept };
}

Deno.test("hub peers: a session that announces another peer is no longer the one before", async () => {
  const { hub, kept } = hubOnStore();
  const client = await join(hub, "s1", "ann");
  await hub.peers.announce(ANN, client);
  assert.deepEqual(await hub.peers.locate(ANN), { client });
  await hub.peers.announce(BOB, client);
  await settle();
  assert.equal(await hub.peers.locate(ANN), undefined);
  assert.equal(await kept(ANN), undefined);
  assert.notEqual(await kept(BOB), undefined);
});

Deno.test("hub peers: the value waits for a session that may come back, and goes with its end", async () => {
  const { hub, kept } = hubOnStore();
  const client = await join(hub, "s1", "ann");
  await hub.peers.announce(ANN, client);
  hub.detach(client);
  assert.equal(await hub.peers.locate(ANN), undefined);
  assert.notEqual(await kept(ANN), undefined);
  hub.leave(client);
  await settle();
  assert.equal(await kept(ANN), undefined);
});

Deno.test("hub peers: the value of a session that has moved, or of a peer that has, is left alone", async () => {
  const { hub, kept } = hubOnStore();
  const moved = await join(hub, "s1", "ann");
  await hub.peers.announce(ANN, moved);
  hub.detach(moved);
  hub.handOver(moved, "another node");
  await settle();
  assert.notEqual(await kept(ANN), undefined);
  const first = await join(hub, "s2", "bob"), second = await join(hub, "s3", "bob");
  await hub.peers.announce(BOB, first);
  await hub.peers.announce(BOB, second);
  hub.detach(first);
  hub.leave(first);
  await settle();
  assert.deepEqual(await hub.peers.locate(BOB), { client: second });
  assert.notEqual(await kept(BOB), undefined);
});

/** A hub whose engine keeps values when it is told to, as one does that commits in groups. */
function hubOnSlowStore() {
  const engine = new MemoryEngine();
  const { values } = engine;
  const waiting: (() => void)[] = [];
  const put: Values["put"] = (...args) =>
    new Promise((resolve) => waiting.push(() => resolve(values.put(...args))));
  const slow: Values = { get: (key) => values.get(key), put, delete: (...args) => values.delete(...args) };
  const { hub } = makeHub({ engine: Object.assign(Object.create(engine), { values: slow }) });
  const kept = (peer: string) => values.get({ name: `peer/${peer}` });
  const commit = async () => {
    do {
      for (const one of waiting.splice(0)) one();
      await settle();
    } while (waiting.length > 0);
  };
  return { hub, kept, commit };
}

Deno.test("hub peers: a session keeps one value, however fast it announces one peer after another", async () => {
  const { hub, kept, commit } = hubOnSlowStore();
  const client = await join(hub, "s1", "ann");
  const peers = Array.from({ length: 10 }, (_, i) => `${i}`.repeat(43));
  const announced = Promise.all([...peers, peers[3]!].map((peer) => hub.peers.announce(peer, client)));
  await commit();
  await announced;
  await commit();
  assert.deepEqual(peers.filter((peer) => kept(peer) !== undefined), [peers[3]]);
  assert.deepEqual(await hub.peers.locate(peers[3]!), { client });
});

Deno.test("hub peers: a session that ends while its peer is written leaves nothing", async () => {
  const { hub, kept, commit } = hubOnSlowStore();
  const client = await join(hub, "s1", "ann");
  const announced = hub.peers.announce(ANN, client);
  client.end();
  hub.detach(client);
  hub.leave(client);
  await commit();
  await announced;
  await commit();
  assert.equal(kept(ANN), undefined);
});

Deno.test("hub peers: who has gone before the signature was checked is no peer any more", async () => {
  const { hub, kept } = hubOnStore();
  const client = await join(hub, "s1", "ann");
  client.end();
  hub.detach(client);
  hub.leave(client);
  await assert.rejects(hub.peers.announce(ANN, client), { error: "not_available" });
  assert.equal(await hub.peers.locate(ANN), undefined);
  assert.equal(kept(ANN), undefined);
});

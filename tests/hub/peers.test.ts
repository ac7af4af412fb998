/** Which session a peer is on, and what is kept of it. */

import assert from "node:assert/strict";
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

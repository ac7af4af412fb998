/** The one observable state of a client. */

import assert from "node:assert/strict";
import type { ClientState } from "../../src/client/mod.ts";
import { clientStore } from "../../src/client/store.ts";
import { connected, inWorld } from "./in_world.ts";

Deno.test("store: it says which connection the session is on, since when, and when anything came last", () =>
  inWorld(async (world, make) => {
    const { client } = make();
    const facts = () => {
      const { connectionId, connectedAt, lastActivity } = client.store.getState();
      return { connectionId, connectedAt, lastActivity };
    };
    const ids: string[] = [], times: number[] = [];
    client.on("connected", ({ connectionId }) => {
      ids.push(connectionId);
      times.push(world.clock.wall());
    });
    assert.deepEqual(facts(), { connectionId: null, connectedAt: null, lastActivity: null });
    await connected(world, client);
    assert.deepEqual(facts(), { connectionId: ids[0], connectedAt: times[0], lastActivity: times[0] });

    await world.clock.advance(20_000);
    const later = facts();
    assert.equal(later.connectedAt, times[0]);
    assert.ok(
      later.lastActivity! > times[0]! && later.lastActivity! <= world.clock.wall(),
      "heartbeats count",
    );

    world.cut();
    await world.until(() => client.store.getState().connectionId === null);
    assert.equal(facts().connectedAt, null);
    await world.until(() => ids.length === 2);
    assert.notEqual(ids[0], ids[1]);
    assert.deepEqual(facts(), { connectionId: ids[1], connectedAt: times[1], lastActivity: times[1] });

    await client.disconnect();
    const { status, userId, connectionId } = client.store.getState();
    assert.deepEqual({ status, userId, connectionId }, { status: "idle", userId: null, connectionId: null });
  }));

Deno.test("store: each change makes a new state, and a listener gets it with the one before", () => {
  const { store, update } = clientStore();
  const { getState, subscribe, getInitialState } = store;
  const heard: [ClientState, ClientState][] = [];
  const stop = subscribe((now, before) => heard.push([now, before]));
  const first = getState();
  assert.equal(getInitialState(), first);
  update({ pending: 3 });
  const second = getState();
  assert.notEqual(first, second);
  assert.deepEqual(second, { ...first, pending: 3 });
  assert.equal(first.pending, 0);
  assert.deepEqual(heard, [[second, first]]);
  assert.ok(heard[0]![0] === second && heard[0]![1] === first);
  assert.equal(getState(), second, "the same until the next change");
  stop();
  update({ pending: 4 });
  assert.equal(heard.length, 1);
  assert.equal(getInitialState(), first);
});

Deno.test("store: a listener that throws or takes another one off harms nobody else", () => {
  const { error } = console;
  const said: unknown[] = [];
  console.error = (...what: unknown[]) => said.push(what.at(-1));
  try {
    const { store, update } = clientStore();
    const heard: string[] = [];
    const thrown = new Error("a listener's");
    store.subscribe(() => {
      throw thrown;
    });
    store.subscribe(() => stop());
    const stop = store.subscribe(() => heard.push("taken off"));
    store.subscribe(() => heard.push("last"));
    update({ pending: 1 });
    assert.deepEqual(heard, ["last"]);
    assert.deepEqual(said, [thrown]);
  } finally {
    console.error = error;
  }
});

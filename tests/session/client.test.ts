/** What handlers see of a connection: its limits, its state and its end. */

import assert from "node:assert/strict";
import type { Client, StateKey } from "../../src/router/types.ts";
import { authenticated, memoryNode, settle } from "./support.ts";

function counted(): { key: StateKey<{ released: number }>; made: { released: number }[] } {
  const made: { released: number }[] = [];
  const key = {
    create: () => made[made.push({ released: 0 }) - 1]!,
    release: (state: { released: number }) => void state.released++,
  };
  return { key, made };
}

/** A connection as a handler sees it, and the peer of it. */
async function handled() {
  let client: Client | undefined;
  const node = memoryNode({
    handlers: {
      client_list: (context) => {
        client = context.client;
        context.reply("client_list_response", {});
      },
    },
    settings: { maxMessage: 4096 },
  });
  const peer = await authenticated(node);
  await peer.send("client_list");
  return { node, peer, client: client! };
}

Deno.test("client: its limits are those the client was told", async () => {
  const { peer, client } = await handled();
  assert.equal(client.limits.maxMessage, 4096);
  assert.equal((peer.of("auth_response")[0]!.payload.limits as { maxMessage: number }).maxMessage, 4096);
});

Deno.test("client: a state is made once, is the connection's own, and is released once at its end", async () => {
  const { key, made } = counted();
  const one = await handled();
  const two = await handled();
  assert.equal(one.client.state(key), one.client.state(key));
  assert.notEqual(one.client.state(key), two.client.state(key));
  one.peer.peer.close(1006);
  await settle();
  assert.deepEqual(made.map(({ released }) => released), [1, 0]);
  two.node.sessions.disconnect("ann");
  assert.deepEqual(
    made.map(({ released }) => released),
    [1, 1],
    "at the end, not when the peer agrees to it",
  );
  await two.peer.peer.closed;
  assert.deepEqual(made.map(({ released }) => released), [1, 1]);
});

Deno.test("client: a state that is asked for after the end is released at once", async () => {
  const { key } = counted();
  const { client, peer } = await handled();
  peer.peer.close(1006);
  assert.equal(client.state(key).released, 1);
  assert.notEqual(client.state(key), client.state(key), "nothing is kept for a connection that has ended");
});

Deno.test("client: a release that fails is logged and does not keep others from theirs", async () => {
  const { key, made } = counted();
  const { node, client, peer } = await handled();
  client.state({
    create: () => 1,
    release: () => {
      throw new Error("no");
    },
  });
  client.state(key);
  peer.peer.close(1006);
  await settle();
  assert.equal(made[0]!.released, 1);
  assert.equal(node.observer.of("release of a state failed").length, 1);
});

Deno.test("client: the signal of its end is aborted whoever ends it, also when it is asked for late", async () => {
  const one = await handled();
  assert.equal(one.client.closed.aborted, false);
  one.peer.peer.close(1006);
  assert.equal(one.client.closed.aborted, true);
  const two = await handled();
  two.node.sessions.disconnect("ann");
  assert.equal(two.client.closed.aborted, true);
});

Deno.test("client: what it reports is counted by transport, and a round trip is kept", async () => {
  const { node, client } = await handled();
  client.report({ rtt: 12, loss: 0.5 });
  assert.deepEqual(node.observer.of("rtt"), [12]);
  assert.deepEqual(node.observer.of("report"), [{ rtt: 12, loss: 0.5 }]);
  assert.equal([...node.sessions.connections][0]!.rtt, 12);
});

/** Connections with a socket of their own, over loopback. */

import assert from "node:assert/strict";
import type { PeerConnection, PeerNode } from "../../src/peer/mod.ts";
import type { Connection } from "../../src/quic/mod.ts";
import { SignallingHub } from "./support.ts";

async function echo(quic: Connection): Promise<void> {
  for await (const stream of quic.incomingBidirectionalStreams) {
    void stream.readable.pipeTo(stream.writable).catch(() => {});
  }
}

async function echoing(hub: SignallingHub, options = {}): Promise<PeerNode> {
  return await hub.peer({
    ...options,
    onIncoming: (connection) => {
      void echo(connection.current!);
      connection.on({ connection: (quic) => void echo(quic) });
    },
  });
}

async function roundTrip(connection: PeerConnection, bytes = 1_000_000): Promise<void> {
  const sent = crypto.getRandomValues(new Uint8Array(60_000));
  const stream = await (await connection.ready()).openBidirectionalStream();
  const came = new Response(stream.readable).bytes();
  for (let left = bytes; left > 0; left -= sent.length) await stream.write(sent);
  await stream.end();
  const back = await came;
  assert.equal(back.length, Math.ceil(bytes / sent.length) * sent.length);
  for (let at = 0; at < back.length; at += sent.length) {
    assert.deepEqual(back.subarray(at, at + sent.length), sent);
  }
}

const closeAll = (...nodes: PeerNode[]): Promise<unknown> => Promise.all(nodes.map((node) => node.close()));

Deno.test("fast lane: the QUIC connection goes straight from socket to socket", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await echoing(hub);
  const connection = ann.connect(bob.id, { fastLane: true });
  const quic = await connection.ready();
  await roundTrip(connection);
  assert.equal(connection.path?.fastLane, true);
  assert.equal(bob.connections.get(ann.id)?.path?.fastLane, true);
  // On the multiplexer QUIC knows a loopback link, here the address that was punched.
  assert.deepEqual(quic.remoteAddress, connection.path.remote);
  await closeAll(ann, bob);
});

Deno.test("fast lane: a connection that is lost comes back on the shared socket", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await echoing(hub);
  const connection = ann.connect(bob.id, { fastLane: true });
  await connection.ready();
  const again = Promise.withResolvers<void>();
  connection.on({ connection: () => again.resolve() });
  await bob.connections.get(ann.id)!.current!.close(7, "broken");
  await again.promise;
  await roundTrip(connection, 1000);
  assert.equal(connection.path?.fastLane, false);
  await closeAll(ann, bob);
});

Deno.test("fast lane: a network that changes moves the connection to the shared socket", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await echoing(hub);
  const connection = ann.connect(bob.id, { fastLane: true });
  await connection.ready();
  const again = Promise.withResolvers<void>();
  connection.on({ connection: () => again.resolve() });
  ann.networkChanged();
  await again.promise;
  await roundTrip(connection, 1000);
  assert.equal(connection.path?.fastLane, false);
  await closeAll(ann, bob);
});

Deno.test("fast lane: a peer that offers none is reached over the shared socket", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await echoing(hub, { fastLane: false });
  const connection = ann.connect(bob.id, { fastLane: true });
  await roundTrip(connection, 1000);
  assert.equal(connection.path?.fastLane, false);
  await closeAll(ann, bob);
});

Deno.test("fast lane: where no path is found for it the shared socket is used", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await echoing(hub);
  const lanes: unknown[] = [];
  hub.filter = (signal) => {
    if (signal.type !== "offer" && signal.type !== "answer") return signal;
    if (signal.type === "offer") lanes.push(signal.lane);
    return signal.lane === "fast" ? { ...signal, candidates: [] } : signal;
  };
  const connection = ann.connect(bob.id, { fastLane: true });
  await roundTrip(connection, 1000);
  assert.equal(connection.path?.fastLane, false);
  assert.deepEqual(lanes, ["fast", undefined]);
  await closeAll(ann, bob);
});

Deno.test("fast lane: somebody in between who takes the wish for it out of an offer is found out", async () => {
  const hub = new SignallingHub();
  const refused = Promise.withResolvers<string>();
  const ann = await hub.peer(), bob = await hub.peer({ onError: ({ code }) => refused.resolve(code) });
  hub.filter = (signal) => {
    if (signal.type !== "offer") return signal;
    const { lane: _, ...rest } = signal;
    return rest;
  };
  const ready = ann.connect(bob.id, { fastLane: true }).ready();
  assert.equal(await refused.promise, "authentication_failed");
  await closeAll(ann, bob);
  await assert.rejects(ready);
});

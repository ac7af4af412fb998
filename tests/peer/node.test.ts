/** Peers of one process, with signalling in memory: over loopback, so without any NAT. */

import assert from "node:assert/strict";
import {
  type PeerConnection,
  PeerError,
  PeerIdentity,
  type PeerNode,
  type Signal,
} from "../../src/peer/mod.ts";
import type { Connection } from "../../src/quic/mod.ts";
import { SignallingHub } from "./support.ts";

/** Answers on each stream with what was sent. */
async function echo(quic: Connection): Promise<void> {
  for await (const stream of quic.incomingBidirectionalStreams) {
    void stream.readable.pipeTo(stream.writable).catch(() => {});
  }
}

/** A peer that does that for whoever calls. */
async function echoing(hub: SignallingHub): Promise<PeerNode> {
  return await hub.peer({
    onIncoming: (connection) => {
      void echo(connection.current!);
      connection.on({ connection: (quic) => void echo(quic) });
    },
  });
}

async function roundTrip(connection: PeerConnection): Promise<string> {
  const stream = await (await connection.ready()).openBidirectionalStream();
  await stream.write(new TextEncoder().encode("hello"));
  await stream.end();
  return await new Response(stream.readable).text();
}

async function closeAll(...nodes: PeerNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.close()));
}

Deno.test("peer node: two peers connect and exchange bytes", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await echoing(hub);
  const connection = ann.connect(bob.id);
  assert.equal(await roundTrip(connection), "hello");
  assert.equal(connection.state, "connected");
  assert.equal(connection.path?.kind, "direct");
  assert.equal(ann.connect(bob.id), connection);
  await closeAll(ann, bob);
  assert.equal(connection.state, "disconnected");
});

Deno.test("peer node: both call at once, and one connection comes of it", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await hub.peer();
  const [one, two] = [ann.connect(bob.id), bob.connect(ann.id)];
  for (const quic of await Promise.all([one.ready(), two.ready()])) void echo(quic);
  assert.equal(await roundTrip(one), "hello");
  assert.equal(await roundTrip(two), "hello");
  assert.deepEqual([ann.connections.size, bob.connections.size], [1, 1]);
  await closeAll(ann, bob);
});

Deno.test("peer node: who is being called and answers does not call, too", async () => {
  for (const acceptance of [true, Promise.resolve(true)]) {
    const hub = new SignallingHub();
    const ann = await hub.peer(), bob = await hub.peer({ accept: () => acceptance });
    const theirs = Promise.withResolvers<PeerConnection>();
    hub.filter = (signal) => {
      if (signal.type === "answer") theirs.resolve(bob.connect(ann.id));
      return signal;
    };
    const quics: Connection[] = [];
    const connection = ann.connect(bob.id);
    connection.on({ connection: (quic) => void quics.push(quic) });
    const ready = await (await theirs.promise).ready();
    void echo(ready);
    assert.equal(await roundTrip(connection), "hello");
    assert.equal(hub.sent.filter(({ signal }) => signal.type === "offer").length, 1);
    assert.equal(quics.length, 1);
    assert.equal((await theirs.promise).state, "connected");
    await closeAll(ann, bob);
  }
});

Deno.test("peer node: one that does not accept is left alone", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await hub.peer({ accept: () => false });
  const connection = ann.connect(bob.id);
  const { promise, resolve } = Promise.withResolvers<PeerError | undefined>();
  connection.on({ state: (state, error) => state === "failed" && resolve(error) });
  assert.equal((await promise)?.code, "peer_unreachable");
  assert.equal(bob.connections.size, 0);
  await closeAll(ann, bob);
});

/** Somebody in between who changes signals: the service, or who has broken into it. */
const CHANGES: Record<string, (signal: Signal, other: string) => Signal> = {
  "the certificate": (signal) =>
    "certificate" in signal ? { ...signal, certificate: "A".repeat(43) } : signal,
  "the password": (signal) =>
    "password" in signal ? { ...signal, password: "changed-changed-changed" } : signal,
  "the challenge": (signal) => "challenge" in signal ? { ...signal, challenge: "B".repeat(43) } : signal,
  "the signature": (signal) => "signature" in signal ? { ...signal, signature: "C".repeat(86) } : signal,
};

for (const [what, change] of Object.entries(CHANGES)) {
  Deno.test(`peer node: an answer with ${what} changed on its way ends the connection`, async () => {
    const hub = new SignallingHub();
    const ann = await hub.peer(), bob = await hub.peer();
    hub.filter = (signal) => signal.type === "answer" ? change(signal, "") : signal;
    await assert.rejects(
      ann.connect(bob.id).ready(),
      (error: PeerError) => error.code === "authentication_failed",
    );
    await closeAll(ann, bob);
  });

  Deno.test(`peer node: an offer with ${what} changed on its way is not answered`, async () => {
    const hub = new SignallingHub();
    const { promise, resolve } = Promise.withResolvers<PeerError>();
    const ann = await hub.peer(), bob = await hub.peer({ onError: resolve });
    hub.filter = (signal) => signal.type === "offer" ? change(signal, "") : signal;
    const ready = ann.connect(bob.id).ready();
    assert.equal((await promise).code, "authentication_failed");
    await closeAll(ann, bob);
    await assert.rejects(ready, (error: PeerError) => error.code === "closed");
  });
}

Deno.test("peer node: another peer that answers in the name of the one called is found out", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await hub.peer();
  const mallory = (await PeerIdentity.generate()).identity;
  hub.filter = (signal, from) => {
    if (signal.type !== "answer" || from !== bob.id) return signal;
    void mallory.introduce(ann.id, signal, signal.answers);
    return { ...signal, certificate: "D".repeat(43) };
  };
  await assert.rejects(
    ann.connect(bob.id).ready(),
    (error: PeerError) => error.code === "authentication_failed",
  );
  await closeAll(ann, bob);
});

Deno.test("peer node: a lost QUIC connection is made again, and the application is told", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await echoing(hub);
  const connection = ann.connect(bob.id);
  await connection.ready();
  const states: string[] = [];
  connection.on({ state: (state) => void states.push(state) });
  const { promise, resolve } = Promise.withResolvers<void>();
  connection.on({ connection: () => resolve() });
  // As if it had broken: the peer's side ends without saying that it wants no more.
  await bob.connections.get(ann.id)!.current!.close(7, "broken");
  await promise;
  assert.equal(await roundTrip(connection), "hello");
  assert.deepEqual(states, ["reconnecting", "connected"]);
  await closeAll(ann, bob);
});

Deno.test("peer node: a close is told to the peer, which does not call again", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await echoing(hub);
  const connection = ann.connect(bob.id);
  await connection.ready();
  const other = bob.connections.get(ann.id)!;
  const { promise, resolve } = Promise.withResolvers<void>();
  other.on({ state: (state) => state === "disconnected" && resolve() });
  connection.close();
  await promise;
  assert.equal(bob.connections.size, 0);
  await closeAll(ann, bob);
});

Deno.test("peer node: one that the service does not know is tried again, with pauses", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer();
  const stranger = (await PeerIdentity.generate()).identity.id;
  const connection = ann.connect(stranger);
  const { promise, resolve } = Promise.withResolvers<string>();
  connection.on({ state: (state, error) => state === "failed" && resolve(error!.code) });
  assert.equal(await promise, "peer_unreachable");
  assert.throws(() => ann.connect("nobody"), TypeError);
  assert.throws(() => ann.connect(ann.id), TypeError);
  await ann.close();
});

Deno.test("peer node: a peer that names another's address as its own gets none of its packets", async () => {
  const hub = new SignallingHub();
  const ann = await hub.peer(), bob = await echoing(hub), mallory = await hub.peer();
  const connection = ann.connect(bob.id);
  assert.equal(await roundTrip(connection), "hello");
  const { remote } = connection.path!;
  // Candidates are not signed: whoever calls may name any.
  hub.filter = (signal, from) =>
    from === mallory.id && "candidates" in signal
      ? { ...signal, candidates: [{ kind: "host", address: remote }, ...signal.candidates] }
      : signal;
  await mallory.connect(ann.id).ready();
  const lost = new Promise<void>((resolve) => connection.on({ state: () => resolve() }));
  const again = await Promise.race([roundTrip(connection), lost.then(() => "lost")]);
  assert.equal(again, "hello");
  await closeAll(ann, bob, mallory);
});

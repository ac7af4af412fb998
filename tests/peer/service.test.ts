/** Peers that find each other through a running service, on one node and on two. */

import assert from "node:assert/strict";
import { SkeinClient, SkeinError } from "../../src/client/mod.ts";
import { type PeerError, PeerIdentity, SkeinPeer, type SkeinPeerOptions } from "../../src/client/peer.ts";
import { SessionSignalling } from "../../src/client/peers/session_signalling.ts";
import type { Signal } from "../../src/peer/mod.ts";
import type { Connection } from "../../src/quic/mod.ts";
import { FakeClock } from "../support/clock.ts";
import { makePlace, startServer } from "../crash/server.ts";
import { API_KEY, Cluster, type TestNode, tokenOf, until } from "../nodes/support.ts";

/** A peer and its client. */
async function open(
  node: TestNode,
  user: string,
  claims: Record<string, unknown> = {},
  options: SkeinPeerOptions = {},
): Promise<{ peer: SkeinPeer; client: SkeinClient } & AsyncDisposable> {
  const client = new SkeinClient({ url: node.url, token: await tokenOf(user, claims) });
  const peer = await SkeinPeer.open(client, options);
  await client.connect();
  await peer.announced();
  return {
    peer,
    client,
    async [Symbol.asyncDispose]() {
      await peer.close();
      await client.close();
    },
  };
}

const echoing: SkeinPeerOptions = {
  onIncoming: (connection) => void echo(connection.current!),
};

async function echo(quic: Connection): Promise<void> {
  for await (const { readable, writable } of quic.incomingBidirectionalStreams) {
    void readable.pipeTo(writable).catch(() => {});
  }
}

async function roundTrip(peer: SkeinPeer, to: string): Promise<string> {
  const stream = await (await peer.connect(to).ready()).openBidirectionalStream();
  await stream.write(new TextEncoder().encode("hello"));
  await stream.end();
  return await new Response(stream.readable).text();
}

Deno.test("peers: two devices of one user connect through the service", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  await using laptop = await open(node!, "ann"), phone = await open(node!, "ann", {}, echoing);
  assert.equal(await roundTrip(laptop.peer, phone.peer.id), "hello");
  await until("the attempt is counted", async () => {
    const headers = { "x-api-key": API_KEY };
    const text = await (await fetch(new URL("/metrics", node!.url), { headers })).text();
    return /skein_peer_attempts_total\{outcome="connected",path="direct"\} 1/.test(text);
  });
});

Deno.test("peers: users meet where both tokens allow it, and are refused where one does not", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  await using ann = await open(node!, "ann", { peers: ["team-*"] });
  await using bob = await open(node!, "team-bob", { peers: ["ann"] }, echoing);
  await using carl = await open(node!, "team-carl", {}, echoing);
  assert.equal(await roundTrip(ann.peer, bob.peer.id), "hello");
  const refused = (error: PeerError) => error.code === "not_allowed";
  await assert.rejects(ann.peer.connect(carl.peer.id).ready(), refused);
  await assert.rejects(carl.peer.connect(ann.peer.id).ready(), refused);
});

Deno.test("peers: they find each other on two nodes, and after one has moved to the other", async () => {
  await using cluster = await Cluster.start(2);
  const [a, b] = cluster.nodes;
  const { identity } = await PeerIdentity.generate();
  await using ann = await open(a!, "ann");
  {
    await using phone = await open(b!, "ann", {}, { ...echoing, identity });
    assert.equal(await roundTrip(ann.peer, phone.peer.id), "hello");
  }
  await using phone = await open(a!, "ann", {}, { ...echoing, identity });
  await until("the connection to the first one is over", () => ann.peer.connections.size === 0);
  assert.equal(await roundTrip(ann.peer, phone.peer.id), "hello");
});

Deno.test("peers: one that is on no session is unknown", async () => {
  await using cluster = await Cluster.start(1);
  await using ann = await open(cluster.nodes[0]!, "ann");
  const { promise, resolve } = Promise.withResolvers<string>();
  const connection = ann.peer.connect((await PeerIdentity.generate()).identity.id);
  connection.on({ state: (state, error) => state === "failed" && resolve(error!.message) });
  assert.match(await promise, /no such peer/);
});

Deno.test("peers: a session cannot announce the peer of somebody else, nor signal unannounced", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  await using ann = await open(node!, "ann");
  await using mallory = await cluster.connect(node!, "websocket", "mallory");
  const { identity } = await PeerIdentity.generate();
  const signature = await identity.announce("another session");
  const stolen = await mallory.request("peer_announce", { peer: ann.peer.id, signature });
  assert.equal(stolen.payload.name, "permission_denied");
  const replayed = await mallory.request("peer_announce", { peer: identity.id, signature });
  assert.equal(replayed.payload.name, "permission_denied");
  const close = { to: ann.peer.id, connection: "q8Zt1mKc5R0s2yVwJx3dLA", reason: "" };
  assert.equal((await mallory.request("peer_close", close)).payload.name, "permission_denied");
});

Deno.test("peers: a program refuses a browser's offer and says why", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  await using program = await open(node!, "ann");
  const client = new SkeinClient({ url: node!.url, token: await tokenOf("ann") });
  const { identity } = await PeerIdentity.generate();
  const page = new SessionSignalling(client, identity);
  const { promise: heard, resolve } = Promise.withResolvers<[from: string, signal: Signal]>();
  page.onSignal((from, signal) => resolve([from, signal]));
  await page.announced();
  const bytes = (length: number): string => "A".repeat(length);
  const offer = await identity.introduce(program.peer.id, {
    connection: bytes(22),
    fragment: bytes(4),
    password: bytes(24),
    certificate: bytes(43),
    challenge: bytes(43),
    candidates: [{
      kind: "host",
      // As browsers hide their addresses.
      address: { hostname: "01931f92-0000-7000-8000-000000000070.local", port: 40_000 },
    }],
    lane: "webrtc",
  });
  await page.send(program.peer.id, { type: "offer", ...offer });
  const [from, signal] = await heard;
  assert.equal(from, program.peer.id);
  assert.deepEqual(signal, { type: "close", connection: bytes(22), reason: "speaks QUIC alone" });
  assert.equal(program.peer.connections.size, 0);
  page.close();
  await client.close();
});

Deno.test("peers: an announcement that was not answered is made again while there is a connection", async () => {
  const clock = new FakeClock();
  const { identity } = await PeerIdentity.generate();
  const sent: unknown[] = [];
  const manager = {
    sessionId: "a session",
    isConnected: () => true,
    send: (type: string, { peer }: { peer: string }) => {
      sent.push([type, peer]);
      return sent.length === 1 ? Promise.reject(new Error("late")) : Promise.resolve({});
    },
  };
  const client = { clock, manager, on: () => () => {} } as unknown as SkeinClient;
  const signalling = new SessionSignalling(client, identity);
  await assert.rejects(signalling.announced(), /late/);
  await clock.advance(2_000);
  await signalling.announced();
  assert.deepEqual(sent, Array(2).fill(["peer_announce", identity.id]));
  signalling.close();
  assert.equal(clock.pending, 0);
});

Deno.test("peers: what is said while the service is away is taken by the one that comes back", async () => {
  const at = await makePlace();
  let service = await startServer(at);
  const client = new SkeinClient({
    url: `http://127.0.0.1:${at.port}`,
    token: at.token,
    reconnectDelay: 100,
  });
  const { identity } = await PeerIdentity.generate();
  const signalling = new SessionSignalling(client, identity);
  try {
    const heard: Signal[] = [];
    signalling.onSignal((_from, signal) => heard.push(signal));
    await signalling.announced();
    const gone = new Promise((resolve) => client.on("disconnected", resolve));
    await service.kill();
    await gone;
    // To itself: nobody else has to be back before it.
    const signal = { type: "close", connection: "A".repeat(22), reason: "" } as const;
    const said = signalling.send(identity.id, signal);
    service = await startServer(at);
    await said;
    assert.deepEqual(heard, [signal]);
  } finally {
    signalling.close();
    await client.close();
    await service.kill();
    await Deno.remove(at.directory, { recursive: true });
  }
});

Deno.test("peers: an announcement that reaches another session than it was signed for is signed anew", async () => {
  const { identity } = await PeerIdentity.generate();
  const signed: string[] = [];
  const manager = {
    sessionId: "lost",
    isConnected: () => true,
    send: (_type: string, { signature }: { signature: string }) => {
      signed.push(signature);
      if (manager.sessionId === "new") return Promise.resolve({});
      manager.sessionId = "new";
      return Promise.reject(new SkeinError("permission_denied", "the signature is not this peer's"));
    },
  };
  const client = { clock: new FakeClock(), manager, on: () => () => {} } as unknown as SkeinClient;
  const signalling = new SessionSignalling(client, identity);
  await signalling.announced();
  assert.deepEqual(signed, [await identity.announce("lost"), await identity.announce("new")]);
  signalling.close();
});

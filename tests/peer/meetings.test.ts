/** Signals of a meeting: what follows what, and what comes too early. */

import assert from "node:assert/strict";
import { PeerIdentity, type Signal, type Signalling } from "../../src/peer/mod.ts";
import { LOOPBACK } from "../../src/peer/link.ts";
import { Meetings } from "../../src/peer/meetings.ts";
import { Multiplexer } from "../../src/peer/multiplexer.ts";
import { Path } from "../../src/peer/path.ts";
import type { DatagramListener, DatagramSocket } from "../../src/peer/ports.ts";
import { textAttribute } from "../../src/peer/stun/attributes.ts";
import { encodeProtected, shortTermKey } from "../../src/peer/stun/integrity.ts";
import { ATTRIBUTE, type Attribute, decodeStun, transactionId } from "../../src/peer/stun/message.ts";
import { openUdpSocket } from "../../src/peer/udp_socket.ts";
import { FakeClock } from "../support/clock.ts";
import { SignallingHub } from "./support.ts";

const candidate = (port: number, kind: "host" | "relayed" = "host") =>
  ({ kind, address: { hostname: "192.0.2.1", port } }) as const;

/** A meeting without sockets, and what it sends. */
function meet(...sockets: DatagramSocket[]) {
  const clock = new FakeClock();
  const mux = new Multiplexer({ sockets, clock });
  const sent: Signal[] = [];
  const meetings = new Meetings((_, signal) => void sent.push(signal));
  const begin = (connection: string) =>
    meetings.begin({ peer: "bob", connection, mux, clock, onPath() {}, onStale() {} });
  return { clock, mux, sent, meetings, begin, [Symbol.asyncDispose]: () => mux.close() };
}

Deno.test("peer meeting: an address found before the offer left is told after it", async () => {
  await using parts = meet();
  const meeting = parts.begin("first");
  meeting.tell([candidate(1)]);
  meeting.tell([candidate(2)]);
  assert.deepEqual(parts.sent, []);
  meeting.introduced([candidate(1)]);
  assert.deepEqual(parts.sent, [{ type: "candidate", connection: "first", candidates: [candidate(2)] }]);
});

Deno.test("peer meeting: an address found later is told at once", async () => {
  await using parts = meet();
  const meeting = parts.begin("first");
  meeting.introduced([]);
  meeting.tell([candidate(3)], true);
  assert.deepEqual(parts.sent, [{
    type: "candidate",
    connection: "first",
    candidates: [candidate(3)],
    replace: true,
  }]);
});

/** Packets from outside reach `hear`; what leaves is noted as destination and first byte, without checks. */
function recordingSocket() {
  const left: string[] = [];
  let hear: DatagramListener = () => {}, onSend = (): void => {};
  const socket: DatagramSocket = {
    address: { hostname: "0.0.0.0", port: 1 },
    send(bytes, to) {
      if (decodeStun(bytes) !== undefined) return;
      left.push(`${to.port} ${bytes[0]}`);
      onSend();
    },
    onDatagram: (listener) => void (hear = listener),
    close() {},
  };
  return {
    socket,
    left,
    hear: (port: number) => void hear(LONG_HEADER, { hostname: "192.0.2.1", port }),
    /** Resolves when the next packet has left. */
    next: () => new Promise<void>((resolve) => onSend = resolve),
  };
}

/** A long header: it bears no id by which its sender is found. */
const LONG_HEADER = new Uint8Array(40).fill(0xc0);

Deno.test("peer meeting: what a peer does not hear goes by the path on which it says so too", async () => {
  const { socket, left, next } = recordingSocket();
  await using parts = meet(socket);
  const { agent, link } = parts.begin("first");
  const endpoint = openUdpSocket({ hostname: LOOPBACK });
  try {
    agent.addCandidates([candidate(7), candidate(8)]);
    for (const path of agent.paths) path.confirmed(parts.clock.now(), 10);
    link.path = agent.paths[0];
    link.attach(endpoint.address);
    const send = async (first: number): Promise<void> => {
      const gone = next();
      await endpoint.send(new Uint8Array(40).fill(first), link.address);
      await gone;
    };
    const check = (...more: Attribute[]): Uint8Array | undefined => {
      const username = textAttribute(ATTRIBUTE.username, `${agent.local.fragment}:bob`);
      const body = { class: "request", method: "binding", transactionId: transactionId() } as const;
      const bytes = encodeProtected(
        { ...body, attributes: [username, ...more] },
        shortTermKey(agent.local.password),
      );
      return agent.answer(decodeStun(bytes)!, socket, candidate(8).address);
    };
    await send(0xc1);
    assert.ok(check());
    assert.deepEqual(left, ["7 193"]);
    assert.ok(check({ type: ATTRIBUTE.silence, value: new Uint8Array(0) }));
    assert.deepEqual(left, ["7 193", "8 193"]);
    await send(0xc2);
    assert.deepEqual(left.slice(2), ["7 194", "8 194"]);
  } finally {
    await endpoint.close();
  }
});

Deno.test("peer meeting: an address that gave its place to another one is not heard any more", async () => {
  const { socket, hear } = recordingSocket();
  await using parts = meet(socket);
  const { agent, link } = parts.begin("first");
  const heard: number[] = [];
  link.deliver = (_, __, from) => void heard.push(from.port);
  agent.setRemote({ fragment: "bob", password: "bob-password-password" });
  // As many as there may be. Nobody answers, so all of them are given up.
  const ports = Array.from({ length: 64 }, (_, i) => 100 + i);
  agent.addCandidates(ports.map((port) => candidate(port)));
  for (let i = 0; i < 600 && !agent.paths.every((path) => path.isGivenUp); i++) {
    await parts.clock.advance(100);
  }
  agent.addCandidates([candidate(7)], true);
  const kept = agent.paths.map(({ remote }) => remote.port);
  assert.equal(kept.length, 64);
  assert.equal(kept.at(-1), 7);
  for (const port of [...ports, 7]) hear(port);
  assert.deepEqual(heard, kept);
});

Deno.test("multiplexer: nothing is expected any more from an address that was forgotten", async () => {
  const { socket, hear } = recordingSocket();
  await using parts = meet(socket);
  const { link } = parts.begin("first"), { link: other } = parts.begin("second");
  const heard: string[] = [];
  for (const [name, one] of [["first", link], ["second", other]] as const) {
    one.deliver = (_, __, from) => void heard.push(`${name} ${from.port}`);
  }
  const [left, kept] = [7, 8].map((port) => new Path(socket, candidate(port).address, "direct"));
  for (const path of [left!, kept!]) parts.mux.expect(link, path);
  parts.mux.forget(other, left!);
  for (const port of [7, 8]) hear(port);
  parts.mux.forget(link, left!);
  for (const port of [7, 8]) hear(port);
  assert.deepEqual(heard, ["first 7", "first 8", "first 8"]);
});

Deno.test("peer meeting: one peer cannot take all of them by calling again and again", async () => {
  await using parts = meet();
  for (const name of ["1", "2", "3", "4"]) parts.begin(name);
  assert.throws(() => parts.begin("5"), /too many connections/);
  parts.meetings.end(parts.meetings.with("bob")[0]!);
  parts.begin("5");
});

Deno.test("peer meeting: addresses that overtake their offer are used", async () => {
  const hub = new SignallingHub();
  const { identity } = await PeerIdentity.generate();
  const inner = hub.of(identity.id);
  const signalling: Signalling = {
    ...inner,
    onSignal: (listener) =>
      inner.onSignal((from, signal) => {
        if (signal.type !== "offer") return listener(from, signal);
        const { connection, candidates } = signal;
        listener(from, { type: "candidate", connection, candidates });
        listener(from, { ...signal, candidates: [] });
      }),
  };
  const ann = await hub.peer(), bob = await hub.peer({ identity, signalling });
  // Ann knows no address of Bob's, so only what overtook the offer leads to a path.
  hub.filter = (signal) => signal.type === "answer" ? { ...signal, candidates: [] } : signal;
  const connection = ann.connect(bob.id);
  await connection.ready();
  assert.equal(connection.state, "connected");
  await Promise.all([ann.close(), bob.close()]);
});

Deno.test("peer meeting: addresses of another sender are no part of it", async () => {
  await using parts = meet();
  parts.meetings.take("mallory", { type: "candidate", connection: "first", candidates: [candidate(9)] });
  const meeting = parts.begin("first");
  assert.equal(meeting.agent.describe(), "the peer named no address");
});

Deno.test("peer meeting: early addresses are kept for some connections only", async () => {
  await using parts = meet();
  for (let i = 0; i < 100; i++) {
    parts.meetings.take("bob", { type: "candidate", connection: `c${i}`, candidates: [candidate(9)] });
  }
  assert.equal(parts.meetings.earlyConnections, 64);
});

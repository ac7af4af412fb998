/** Signals of a meeting: what follows what, and what comes too early. */

import assert from "node:assert/strict";
import { PeerIdentity, type Signal, type Signalling } from "../../src/peer/mod.ts";
import { Meetings } from "../../src/peer/meetings.ts";
import { Multiplexer } from "../../src/peer/multiplexer.ts";
import { Path } from "../../src/peer/path.ts";
import type { DatagramListener, DatagramSocket } from "../../src/peer/ports.ts";
import { textAttribute } from "../../src/peer/stun/attributes.ts";
import { encodeProtected, shortTermKey } from "../../src/peer/stun/integrity.ts";
import { ATTRIBUTE, type Attribute, decodeStun, transactionId } from "../../src/peer/stun/message.ts";
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
  return { mux, sent, meetings, begin, [Symbol.asyncDispose]: () => mux.close() };
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

Deno.test("peer meeting: a peer that hears nothing is answered by the path of its check", async () => {
  await using parts = meet();
  const { agent, link } = parts.begin("first");
  const socket = { address: { hostname: "0.0.0.0", port: 1 }, send() {}, onDatagram() {}, close() {} };
  agent.addSocket({ socket, relayed: false });
  const heard: (string | undefined)[] = [];
  link.peerHearsNothing = ({ remote }) => void heard.push(remote.hostname);
  const check = (...more: Attribute[]): Uint8Array | undefined => {
    const username = textAttribute(ATTRIBUTE.username, `${agent.local.fragment}:bob`);
    const body = { class: "request", method: "binding", transactionId: transactionId() } as const;
    const bytes = encodeProtected(
      { ...body, attributes: [username, ...more] },
      shortTermKey(agent.local.password),
    );
    return agent.answer(decodeStun(bytes)!, socket, candidate(7).address);
  };
  assert.ok(check());
  assert.deepEqual(heard, []);
  assert.ok(check({ type: ATTRIBUTE.silence, value: new Uint8Array(0) }));
  assert.deepEqual(heard, ["192.0.2.1"]);
});

Deno.test("multiplexer: nothing is expected any more from an address that was forgotten", async () => {
  let hear: DatagramListener = () => {};
  const socket = {
    address: { hostname: "0.0.0.0", port: 1 },
    send() {},
    onDatagram: (listener: DatagramListener) => void (hear = listener),
    close() {},
  };
  await using parts = meet(socket);
  const { link } = parts.begin("first"), { link: other } = parts.begin("second");
  const heard: string[] = [];
  for (const [name, one] of [["first", link], ["second", other]] as const) {
    one.deliver = (_, __, from) => void heard.push(`${name} ${from.port}`);
  }
  const [left, kept] = [7, 8].map((port) => new Path(socket, { hostname: "192.0.2.1", port }, "direct"));
  for (const path of [left!, kept!]) parts.mux.expect(link, path);
  // A long header: it bears no id by which its sender is found.
  const packet = new Uint8Array(40).fill(0xc0);
  parts.mux.forget(other, left!);
  for (const port of [7, 8]) void hear(packet, { hostname: "192.0.2.1", port });
  parts.mux.forget(link, left!);
  for (const port of [7, 8]) void hear(packet, { hostname: "192.0.2.1", port });
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

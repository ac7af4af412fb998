/** What is under way when peers end: nothing of it goes on behind the end. */

import assert from "node:assert/strict";
import { FastLane } from "../../src/peer/fast_lane.ts";
import type { IceAgent } from "../../src/peer/ice_agent.ts";
import { LanSignalling } from "../../src/peer/lan/signalling.ts";
import { LocalAddresses } from "../../src/peer/local_addresses.ts";
import { Meetings } from "../../src/peer/meetings.ts";
import { type MeetingServers, PeerIdentity } from "../../src/peer/mod.ts";
import { Multiplexer } from "../../src/peer/multiplexer.ts";
import type { Path } from "../../src/peer/path.ts";
import { RelayAllocator } from "../../src/peer/relay_allocator.ts";
import { addressAttribute, numberAttribute } from "../../src/peer/stun/attributes.ts";
import { ATTRIBUTE, decodeStun, encodeStun, type StunMethod } from "../../src/peer/stun/message.ts";
import { allocate } from "../../src/peer/turn/allocation.ts";
import type { TurnCarrier } from "../../src/peer/turn/carrier.ts";
import { openUdpSocket, UdpSocket } from "../../src/peer/udp_socket.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { SignallingHub } from "./support.ts";

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(() => pending = false, () => pending = false);
  await settle();
  return pending;
}

/** Something that is asked for, and answered when the gate opens. */
function held<T>() {
  const begun = Promise.withResolvers<void>(), gate = Promise.withResolvers<T>();
  return {
    begun: begun.promise,
    open: gate.resolve,
    wait(): Promise<T> {
      begun.resolve();
      return gate.promise;
    },
  };
}

Deno.test("udp socket: its end waits for what is on its way to the kernel", async () => {
  const sending = held<number>();
  const conn = {
    addr: { transport: "udp", hostname: "127.0.0.1", port: 1 },
    send: () => sending.wait(),
    close() {},
  } as unknown as Deno.DatagramConn;
  const socket = new UdpSocket(conn, 1);
  void socket.send(new Uint8Array(1), { hostname: "127.0.0.1", port: 2 });
  const closed = [socket.close(), socket.close()];
  for (const each of closed) assert.equal(await isPending(each), true);
  sending.open(1);
  await Promise.all(closed);
});

Deno.test("peer node: a call that is accepted when the node has ended comes to nothing", async () => {
  const hub = new SignallingHub();
  const accepting = held<boolean>();
  const ann = await hub.peer(), bob = await hub.peer({ accept: () => accepting.wait() });
  ann.connect(bob.id);
  await accepting.begun;
  await Promise.all([ann.close(), bob.close()]);
  const sent = hub.sent.length, { listenDatagram } = Deno;
  let opened = 0;
  Deno.listenDatagram = () => {
    opened++;
    throw new Error("no socket");
  };
  try {
    accepting.open(true);
    await settle();
    await settle();
  } finally {
    Deno.listenDatagram = listenDatagram;
  }
  assert.deepEqual([hub.sent.length, opened], [sent, 0]);
});

Deno.test("peer node: nothing is said behind the end, and what others do is not waited for", async () => {
  const hub = new SignallingHub();
  const asked = held<MeetingServers>();
  const { identity } = await PeerIdentity.generate();
  const bob = await hub.peer();
  const ann = await hub.peer({
    identity,
    signalling: { ...hub.of(identity.id), servers: () => asked.wait() },
    onError: (error) => assert.fail(error),
  });
  const ready = assert.rejects(ann.connect(bob.id).ready(), { code: "closed" });
  await asked.begun;
  await ann.close();
  await ready;
  asked.open(hub.servers);
  await settle();
  await settle();
  assert.deepEqual(hub.sent, []);
  await bob.close();
});

Deno.test("peer meetings: their end waits for those that were ended before", async () => {
  const clock = new FakeClock();
  const mux = new Multiplexer({ sockets: [], clock });
  const gone = held<void>();
  const remove = mux.remove.bind(mux);
  mux.remove = (link) => Promise.all([remove(link), gone.wait()]).then(() => {});
  const meetings = new Meetings(() => {});
  const meeting = meetings.begin({ peer: "bob", mux, clock, onPath() {}, onStale() {} });
  meetings.end(meeting);
  meeting.giveUpAfter(1000, () => assert.fail("it has ended"));
  const closed = meetings.close();
  await gone.begun;
  assert.equal(await isPending(closed), true);
  gone.open();
  await closed;
  await mux.close();
  assert.equal(clock.pending, 0);
});

Deno.test("fast lane: one that ended while its port changed hands is not listened on", async () => {
  const clock = new FakeClock();
  const { identity } = await PeerIdentity.generate();
  const socket = openUdpSocket({ hostname: "127.0.0.1" });
  const path = { socket, remote: socket.address } as unknown as Path;
  for (
    const begin of [
      (lane: FastLane) => lane.listen(path, {} as never, {} as never),
      (lane: FastLane) => lane.dial(agent, path, {} as never, new AbortController().signal),
    ]
  ) {
    const lane = new FastLane({ sockets: [], clock, identity });
    const begun = assert.rejects(begin(lane), { code: "closed" });
    await settle();
    await lane.close();
    await clock.advance(100);
    await begun;
  }
  await socket.close();
});

const agent = { nominate: () => Promise.resolve() } as unknown as IceAgent;

Deno.test("lan signalling: its end waits for a signal that is being taken, and tells nobody of it", async () => {
  const { identity } = await PeerIdentity.generate();
  const errors: unknown[] = [];
  const lan = await LanSignalling.open({
    self: identity.id,
    multicast: false,
    onError: (error) => void errors.push(error),
  });
  const reading = held<void>();
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: lan.port });
  // It is read from once its signal is waited for.
  const prototype: Deno.Conn = Object.getPrototypeOf(conn);
  const { read } = prototype;
  prototype.read = function (buffer) {
    void reading.wait();
    return read.call(this, buffer);
  };
  try {
    using second = await Deno.connect({ hostname: "127.0.0.1", port: lan.port });
    await reading.begun;
    await lan.close();
    assert.ok(second);
    await settle();
    await settle();
    assert.deepEqual(errors, []);
  } finally {
    prototype.read = read;
  }
});

Deno.test("lan signalling: its end ends what is being sent", async () => {
  const { identity } = await PeerIdentity.generate();
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const known = { get: () => ({ addresses: [silent.addr] }), port: undefined };
  const lan = await LanSignalling.open({ self: identity.id, multicast: false, known: known as never });
  const sent = lan.send("p", { type: "close", connection: "a", reason: "" }).catch((error) => error.code);
  const conn = await silent.accept();
  await lan.close();
  assert.equal(await isPending(sent), false);
  assert.equal(await sent, "closed");
  conn.close();
  silent.close();
});

/** A TURN server that gives an address out, and answers to the goodbye when it is told to. */
function turnServer() {
  let hear: (bytes: Uint8Array) => Promise<void> | void = () => {};
  const said: string[] = [], ended = Promise.withResolvers<void>();
  const carrier: TurnCarrier = {
    reliable: false,
    closed: ended.promise,
    onMessage: (listener) => void (hear = listener),
    send(bytes) {
      const { method, transactionId } = decodeStun(bytes)!;
      said.push(method);
      if (method === "allocate") answer(method, transactionId);
      last = () => answer(method, transactionId);
    },
    close() {
      said.push("closed");
      ended.resolve();
    },
  };
  let last = (): void => {};
  const answer = (method: StunMethod, transactionId: Uint8Array): void => {
    const attributes = [
      addressAttribute(ATTRIBUTE.xorRelayedAddress, { hostname: "192.0.2.1", port: 1 }, transactionId),
      numberAttribute(ATTRIBUTE.lifetime, 600),
    ];
    queueMicrotask(() => void hear(encodeStun({ class: "success", method, transactionId, attributes })));
  };
  return { carrier, said, answer: () => last() };
}

Deno.test("relay: its end waits for the server's answer, and not for long", async () => {
  const clock = new FakeClock();
  for (const answers of [true, false]) {
    const server = turnServer();
    const relays = new RelayAllocator({
      clock,
      servers: () =>
        Promise.resolve({ stun: [], turn: [{ url: "x", username: "u", credential: "c" }], expiresIn: 1e6 }),
      onOpen() {},
      onClose() {},
      allocate: () => allocate({ carrier: server.carrier, username: "u", credential: "c", clock }),
    });
    await relays.open();
    const closed = relays.close();
    await settle();
    assert.deepEqual(server.said, ["allocate", "refresh"]);
    assert.equal(await isPending(closed), true);
    if (answers) server.answer();
    else await clock.advance(450);
    await closed;
    assert.equal(server.said.at(-1), "closed");
    assert.equal(clock.pending, 0);
  }
});

Deno.test("relay: an allocation that is given up is asked for no more", async () => {
  const clock = new FakeClock();
  const server = turnServer();
  const stop = new AbortController();
  const { send } = server.carrier;
  server.carrier.send = (bytes) => void (decodeStun(bytes)!.method === "allocate" ? undefined : send(bytes));
  const asked = allocate({
    carrier: server.carrier,
    username: "u",
    credential: "c",
    clock,
    signal: stop.signal,
  });
  assert.equal(clock.pending, 1);
  stop.abort();
  await assert.rejects(asked, { code: "closed" });
  assert.equal(clock.pending, 0);
});

Deno.test("local addresses: their end ends a look at the NAT", async () => {
  const silent = openUdpSocket({ hostname: "127.0.0.1" });
  const heard = held<void>();
  silent.onDatagram(() => void heard.wait());
  const clock = new FakeClock();
  const addresses = new LocalAddresses({
    mux: new Multiplexer({ sockets: [], clock }),
    clock,
    servers: () =>
      Promise.resolve({ stun: [`stun:127.0.0.1:${silent.address.port}`], turn: [], expiresIn: 1e6 }),
    onRelay() {},
    onRelayClosed() {},
    onChange() {},
    onError: (error) => assert.fail(String(error)),
  });
  const found = addresses.discoverNat();
  await heard.begun;
  await addresses.close();
  assert.equal(await isPending(found), false);
  assert.equal(clock.pending, 0);
  await silent.close();
});

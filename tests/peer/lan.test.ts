/** Peers that find each other on the local network, without any service. */

import assert from "node:assert/strict";
import { connect as connectSocket } from "node:net";
import fc from "fast-check";
import { FakeClock } from "../support/clock.ts";
import { LanDiscovery } from "../../src/peer/lan/discovery.ts";
import {
  decodeDns,
  type DnsMessage,
  type DnsRecord,
  encodeDns,
  RECORD_TYPE,
} from "../../src/peer/lan/dns.ts";
import { isSignal } from "../../src/peer/lan/signal.ts";
import {
  type DatagramListener,
  type DatagramSocket,
  firstOf,
  KnownPeers,
  LanSignalling,
  PeerError,
  type PeerErrorCode,
  PeerIdentity,
  type Signal,
  type Signalling,
} from "../../src/peer/mod.ts";
import { testWith } from "../support/needs.ts";
import { LabPeer } from "./lab.ts";
import { LAB_LACKS, run } from "./natlab.ts";

const label = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const ttl = fc.nat(0xffff);
const record: fc.Arbitrary<DnsRecord> = fc.oneof(
  fc.record({ name, ttl, type: fc.constant(RECORD_TYPE.ptr), target: name }, { noNullPrototype: true }),
  fc.record(
    { name, ttl, type: fc.constant(RECORD_TYPE.srv), target: name, port: fc.nat(65535) },
    { noNullPrototype: true },
  ),
  fc.record({ name, ttl, type: fc.constant(RECORD_TYPE.a), address: fc.ipV4() }, { noNullPrototype: true }),
);
const message: fc.Arbitrary<DnsMessage> = fc.record({
  isResponse: fc.boolean(),
  questions: fc.array(fc.record({ name, type: fc.constant(RECORD_TYPE.any) }, { noNullPrototype: true }), {
    maxLength: 3,
  }),
  records: fc.array(record, { maxLength: 5 }),
}, { noNullPrototype: true });

Deno.test("dns: what is written is read back", () => {
  fc.assert(fc.property(message, (written) => assert.deepEqual(decodeDns(encodeDns(written)), written)), {
    numRuns: 300,
  });
});

Deno.test("dns: hostile bytes are no message, and names that point at themselves end", () => {
  const changed = fc.tuple(message, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 })).map(
    ([written, changes]) => {
      const bytes = encodeDns(written);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes;
    },
  );
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 100 })), (bytes) => void decodeDns(bytes)),
    {
      numRuns: 2_000,
    },
  );
  const loop = Uint8Array.of(0, 0, 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 255, 0, 1);
  assert.equal(decodeDns(loop), undefined);
});

Deno.test("dns: compressed names of other programs are read", () => {
  // PTR _a.local -> x._a.local, where the target's end points back at the question.
  const bytes = Uint8Array.fromHex(
    "000084000000000100000000" + "025f61056c6f63616c00" + "000c0001" + "00000078" + "0004" + "0178c00c",
  );
  assert.deepEqual(decodeDns(bytes)?.records, [
    { name: "_a.local", type: RECORD_TYPE.ptr, ttl: 120, target: "x._a.local" },
  ]);
});

/** A network of sockets in memory: each hears what the others say. */
function network(count: number): DatagramSocket[] {
  const listeners: DatagramListener[] = [];
  const from = { hostname: "10.0.0.9", port: 5353 };
  return Array.from({ length: count }, (_, i) => ({
    address: { hostname: "10.0.0.9", port: 5353 },
    send: (bytes) => listeners.forEach((listener, j) => j !== i && listener?.(bytes.slice(), from)),
    onDatagram: (listener) => void (listeners[i] = listener),
    close() {},
  }));
}

Deno.test("lan discovery: a peer is found, forgotten after its time, and at once when it says goodbye", async () => {
  const clock = new FakeClock();
  const [one, two] = network(2) as [DatagramSocket, DatagramSocket];
  const ids = [
    (await PeerIdentity.generate()).identity.id,
    (await PeerIdentity.generate()).identity.id,
  ] as const;
  const open = (socket: DatagramSocket, self: string, host: string): LanDiscovery =>
    new LanDiscovery({ socket, clock, self, port: 4000, addresses: () => [host, "fe80::1"] });
  const ann = open(one, ids[0], "10.0.0.1");
  const bob = open(two, ids[1], "10.0.0.2");
  assert.deepEqual(await ann.find(ids[1]), [{ hostname: "10.0.0.2", port: 4000 }]);
  assert.deepEqual(ann.peers(), [ids[1]]);
  await clock.advance(120_001);
  assert.deepEqual(ann.peers(), []);
  assert.deepEqual(await ann.find(ids[1]), [{ hostname: "10.0.0.2", port: 4000 }]);
  bob.close();
  assert.deepEqual(ann.peers(), []);
  const lost = assert.rejects(ann.find(ids[1]), /not on the local network/);
  await clock.advance(5_000);
  await lost;
  ann.close();
});

Deno.test("lan signalling: what is no signal is refused", () => {
  for (
    const value of [
      null,
      1,
      {},
      { type: "offer", connection: "a" },
      { type: "close", connection: "a", reason: 5 },
      {
        type: "candidate",
        connection: "a",
        candidates: [{ kind: "host", address: { hostname: "x y", port: 1 } }],
      },
      { type: "candidate", connection: "a", candidates: Array(33).fill({}) },
      { type: "candidate", connection: "a b", candidates: [] },
    ]
  ) {
    assert.equal(isSignal(value), false, JSON.stringify(value));
  }
  assert.ok(isSignal({ type: "close", connection: "a", reason: "" }));
  assert.ok(isSignal({ type: "candidate", connection: "a", candidates: [] }));
});

Deno.test("signalling chain: the next way is tried where a peer is not reached, but not where it is refused", async () => {
  const sent: string[] = [];
  const way = (name: string, code?: PeerErrorCode): Signalling => ({
    send: () => {
      sent.push(name);
      return code === undefined ? Promise.resolve() : Promise.reject(new PeerError(code));
    },
    onSignal: () => {},
    servers: () =>
      code === undefined
        ? Promise.resolve({ stun: [name], turn: [], expiresIn: 1 })
        : Promise.reject(new PeerError(code)),
  });
  const close: Signal = { type: "close", connection: "a", reason: "" };
  const away = firstOf(way("service", "peer_unreachable"), way("lan"));
  await away.send("x", close);
  assert.deepEqual(sent.splice(0), ["service", "lan"]);
  assert.deepEqual((await away.servers()).stun, ["lan"]);
  const refused = firstOf(way("service", "not_allowed"), way("lan"));
  await assert.rejects(refused.send("x", close), (error: PeerError) => error.code === "not_allowed");
  assert.deepEqual(sent, ["service"]);
  const nowhere = firstOf(way("service", "peer_unreachable"), way("lan", "peer_unreachable"));
  await assert.rejects(nowhere.send("x", close), (error: PeerError) => error.code === "peer_unreachable");
});

Deno.test("lan: a listener that cannot accept for a moment, with too many files open, goes on", async () => {
  const errors: unknown[] = [], heard: string[] = [];
  const ids = [
    (await PeerIdentity.generate()).identity.id,
    (await PeerIdentity.generate()).identity.id,
  ] as const;
  const { listen } = Deno;
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    const listener = listen(options);
    const { accept } = listener;
    let left = 2;
    listener.accept = () =>
      left-- > 0 ? Promise.reject(new Deno.errors.Busy("Too many open files")) : accept.call(listener);
    return listener;
  }) as typeof Deno.listen;
  const nothing = { load: () => Promise.resolve(undefined), save: () => Promise.resolve() };
  const known = await KnownPeers.open(nothing);
  try {
    const open = (self: string) =>
      LanSignalling.open({ self, known, multicast: false, onError: (error) => void errors.push(error) });
    const bob = await open(ids[1]);
    Deno.listen = listen;
    const ann = await open(ids[0]);
    bob.onSignal((from) => void heard.push(from));
    known.met(ids[0], []);
    known.met(ids[1], [{ hostname: "127.0.0.1", port: bob.port }]);
    await ann.send(ids[1], { type: "close", connection: "a", reason: "" });
    assert.deepEqual(heard, [ids[0]]);
    assert.deepEqual(errors.map(String), Array(2).fill("Busy: Too many open files"));
    await Promise.all([ann.close(), bob.close()]);
  } finally {
    Deno.listen = listen;
  }
});

Deno.test("lan: a machine that keeps connections open and says nothing does not keep others out", async () => {
  const [ann, bob] = [
    (await PeerIdentity.generate()).identity.id,
    (await PeerIdentity.generate()).identity.id,
  ];
  const nothing = { load: () => Promise.resolve(undefined), save: () => Promise.resolve() };
  const known = await KnownPeers.open(nothing);
  known.met(ann, []);
  const heard: string[] = [];
  const signalling = await LanSignalling.open({ self: bob, known, multicast: false });
  const { port } = signalling;
  signalling.onSignal((from) => void heard.push(from));
  const idle: Deno.TcpConn[] = [];
  try {
    for (let i = 0; i < 40; i++) idle.push(await Deno.connect({ hostname: "127.0.0.1", port }));
    // Another address of this machine.
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connectSocket({ host: "127.0.0.1", port, localAddress: "127.0.0.2" });
    socket.on("error", reject);
    socket.on("data", (data: Uint8Array) => resolve(new TextDecoder().decode(data)));
    socket.on("close", () => reject(new Error("closed")));
    const signal: Signal = { type: "close", connection: "a", reason: "" };
    socket.write(`${JSON.stringify({ from: ann, to: bob, signal })}\n`);
    assert.equal(await promise, "+\n");
    assert.deepEqual(heard, [ann]);
    socket.destroy();
  } finally {
    for (const conn of idle) conn.close();
    await signalling.close();
  }
});

testWith(["iproute2"], "lan: two machines find each other by multicast DNS and send a file", async () => {
  const names = ["a", "b"].map((side) => `sklan${Deno.pid.toString(36)}${side}`);
  const [a, b] = names as [string, string];
  try {
    for (const space of names) await run(["ip", "netns", "add", space]);
    await run(["ip", "link", "add", "eth0", "netns", a, "type", "veth", "peer", "name", "eth0", "netns", b]);
    for (const [i, space] of names.entries()) {
      const ip = (...args: string[]): Promise<unknown> => run(["ip", "-n", space, ...args]);
      await ip("addr", "add", `10.9.0.${i + 1}/24`, "dev", "eth0");
      await ip("link", "set", "lo", "up");
      await ip("link", "set", "eth0", "up");
      await ip("route", "add", "default", "dev", "eth0");
    }
    const peers = names.map((space) =>
      new LabPeer(
        new Deno.Command("ip", {
          args: [
            "netns",
            "exec",
            space,
            Deno.execPath(),
            "run",
            "-A",
            "--unstable-net",
            "--no-check",
            "--quiet",
            `--lock=${new URL("../deno.lock", import.meta.url).pathname}`,
            new URL("./lab_peer.ts", import.meta.url).pathname,
            "lan",
          ],
          stdin: "piped",
          stdout: "piped",
          stderr: "inherit",
        }).spawn(),
      )
    );
    try {
      for (const peer of peers) peer.id = (await peer.next("open")).id;
      const [ann, bob] = peers as [LabPeer, LabPeer];
      ann.tell({ do: "connect", peer: bob.id });
      await ann.next("connected");
      ann.tell({ do: "send", peer: bob.id, bytes: 1_000_000 });
      await ann.next("sent");
      assert.equal(ann.events.findLast((event) => event.on === "path")?.kind, "direct");
    } finally {
      await Promise.all(peers.map((peer) => peer.stop()));
    }
  } finally {
    for (const space of names) await run(["ip", "netns", "del", space]).catch(() => {});
  }
}, LAB_LACKS);

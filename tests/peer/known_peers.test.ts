/** Peers that were met, remembered, and found again without the service. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { delay } from "../../src/async/deadline.ts";
import {
  type Address,
  isPeerId,
  KnownPeers,
  knownPeersFile,
  type KnownPeerStore,
  LanSignalling,
  PeerError,
  PeerIdentity,
  PeerNode,
  type Signal,
} from "../../src/peer/mod.ts";
import { type Life, makePlace, startServer } from "../crash/server.ts";
import { FakeClock } from "../support/clock.ts";
import { Editor, readAll } from "./known_support.ts";

const DAY = 86_400_000;
const HERE: Address = { hostname: "10.0.0.1", port: 4000 };
const CLOSE: Signal = { type: "close", connection: "a", reason: "" };
const idOf = (number: number): string => `${number}`.padStart(43, "A");

/** Keeps the text that was saved last. */
function memory(text?: string): KnownPeerStore & { text: string | undefined } {
  return {
    text,
    load() {
      return Promise.resolve(this.text);
    },
    save(saved) {
      this.text = saved;
      return Promise.resolve();
    },
  };
}

async function newId(): Promise<string> {
  return (await PeerIdentity.generate()).identity.id;
}

Deno.test("known peers: who was met is read back, with addresses, documents and the port of this device", async () => {
  const store = memory();
  const known = await KnownPeers.open(store);
  known.met(idOf(1), [HERE]);
  known.met(idOf(2), []);
  known.shares(idOf(1), "doc:plan");
  known.shares(idOf(3), "doc:plan");
  known.port = 4001;
  await known.saved();
  const again = await KnownPeers.open(store);
  assert.deepEqual(again.list(), known.list());
  assert.deepEqual(again.get(idOf(1))?.addresses, [HERE]);
  assert.deepEqual(again.with("doc:plan"), [idOf(1)]);
  assert.equal(again.port, 4001);
});

Deno.test("known peers: the newest address comes first, and no more are kept than a laptop returns to", async () => {
  const known = await KnownPeers.open(memory());
  for (let port = 1; port <= 20; port++) known.met(idOf(1), [{ ...HERE, port }]);
  known.met(idOf(1), [{ ...HERE, port: 18 }]);
  assert.deepEqual(known.get(idOf(1))?.addresses.map(({ port }) => port), [18, 20, 19, 17, 16, 15, 14, 13]);
});

Deno.test("known peers: the one met longest ago gives way to the 257th", async () => {
  const known = await KnownPeers.open(memory());
  for (let i = 0; i < 256; i++) known.met(idOf(i), []);
  known.met(idOf(0), []);
  known.met(idOf(256), []);
  assert.equal(known.list().length, 256);
  assert.equal(known.get(idOf(1)), undefined);
  assert.notEqual(known.get(idOf(0)), undefined);
});

Deno.test("known peers: one that was not met for thirty days is forgotten", async () => {
  const clock = new FakeClock(), store = memory();
  const known = await KnownPeers.open(store, { clock });
  known.met(idOf(1), [HERE]);
  await clock.advance(29 * DAY);
  known.met(idOf(2), [HERE]);
  await clock.advance(DAY + 1);
  assert.deepEqual(known.list().map(({ id }) => id), [idOf(2)]);
  known.met(idOf(3), []);
  await known.saved();
  assert.doesNotMatch(store.text!, new RegExp(idOf(1)));
});

Deno.test("known peers: a clock that was ahead keeps nobody for ever", async () => {
  const clock = new FakeClock();
  const peers = [{ id: idOf(1), addresses: [], metAt: clock.wall() + 1000 * DAY, documents: [] }];
  const known = await KnownPeers.open(memory(JSON.stringify({ peers })), { clock });
  await clock.advance(31 * DAY);
  assert.deepEqual(known.list(), []);
});

/** Validates: known peers hold ids, IP addresses and names of documents, whatever was saved. */
Deno.test("Feature: quic-transport, Property 301: whatever the file of known peers holds, only peers with addresses come of it", async () => {
  const field = fc.oneof(fc.anything(), fc.constantFrom("fe.de", "10.0.0.1", "::1", 4000, idOf(1)));
  const entry = fc.oneof(
    fc.anything(),
    fc.record({
      id: fc.oneof(fc.constant(idOf(1)), field),
      addresses: fc.oneof(field, fc.array(fc.record({ hostname: field, port: field }))),
      metAt: fc.oneof(fc.double(), field),
      documents: fc.oneof(field, fc.array(field)),
    }),
  );
  const file = fc.oneof(
    fc.string(),
    fc.record({ port: field, peers: fc.oneof(field, fc.array(entry)) }).map((value) =>
      // What JSON cannot hold is left out by it.
      JSON.stringify(value, (_, part) => typeof part === "bigint" ? undefined : part) ?? ""
    ),
  );
  await fc.assert(
    fc.asyncProperty(file, async (text) => {
      const known = await KnownPeers.open(memory(text));
      for (const { id, addresses, documents } of known.list()) {
        assert.ok(isPeerId(id));
        for (const { hostname, port } of addresses) {
          assert.match(hostname, /^[0-9a-fA-F:.%]+$/);
          assert.notEqual(hostname, "fe.de");
          assert.ok(port > 0 && port < 65_536);
        }
        assert.ok(documents.every((name) => typeof name === "string"));
      }
      assert.ok(known.port === undefined || (known.port > 0 && known.port < 65_536));
    }),
    { numRuns: 500 },
  );
});

Deno.test("known peers: the file is for its user alone, and one that is no JSON is told of", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/known.json`;
    const known = await KnownPeers.open(knownPeersFile(path));
    known.met(idOf(1), [HERE]);
    await known.saved();
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.equal((await KnownPeers.open(knownPeersFile(path))).list().length, 1);
    await Deno.writeTextFile(path, "{");
    const errors: unknown[] = [];
    const empty = await KnownPeers.open(knownPeersFile(path), {
      onError: (error) => void errors.push(error),
    });
    assert.deepEqual(empty.list(), []);
    assert.equal(errors.length, 1);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("known peers: one is found where it was, though it was restarted, and a stranger is refused", async () => {
  const ids = [await newId(), await newId(), await newId()] as const;
  const annKnows = await KnownPeers.open(memory()), bobKnows = await KnownPeers.open(memory());
  const errors: string[] = [];
  const open = (self: string, known: KnownPeers): Promise<LanSignalling> =>
    LanSignalling.open({
      self,
      known,
      multicast: false,
      onError: (error) => void errors.push((error as Error).message),
    });
  const first = await open(ids[1], bobKnows);
  const { port } = first;
  await first.close();
  const bob = await open(ids[1], bobKnows), ann = await open(ids[0], annKnows);
  assert.equal(bob.port, port);
  const heard: string[] = [];
  bob.onSignal((from) => void heard.push(from));
  // Nobody answers at the first of the addresses.
  annKnows.met(ids[1], [{ hostname: "127.0.0.1", port: 1 }, { hostname: "127.0.0.1", port }]);
  await assert.rejects(ann.send(ids[1], CLOSE), (error: PeerError) => error.code === "peer_unreachable");
  bobKnows.met(ids[0], []);
  await ann.send(ids[1], CLOSE);
  assert.deepEqual(heard, [ids[0]]);
  assert.match(errors.join(), /never met/);
  await assert.rejects(ann.send(ids[2], CLOSE), /not known/);
  await Promise.all([ann.close(), bob.close()]);
});

Deno.test("known peers: two that connect remember where the other takes signals", async () => {
  const made = await Promise.all([PeerIdentity.generate(), PeerIdentity.generate()]);
  const listeners = new Map<string, (from: string, signal: Signal) => void>();
  const nodes: PeerNode[] = [], met: [peer: string, addresses: readonly Address[]][] = [];
  for (const [i, { identity }] of made.entries()) {
    nodes.push(
      await PeerNode.open({
        identity,
        signalPort: 5001 + i,
        interfaces: () => ["127.0.0.1"],
        onMet: (peer, addresses) => void met.push([peer, addresses]),
        signalling: {
          send: (to, signal) => Promise.resolve(listeners.get(to)?.(identity.id, signal)),
          onSignal: (listener) => void listeners.set(identity.id, listener),
          servers: () => Promise.resolve({ stun: [], turn: [], expiresIn: 3_600_000 }),
        },
      }),
    );
  }
  const [ann, bob] = nodes as [PeerNode, PeerNode];
  await ann.connect(bob.id).ready();
  assert.deepEqual(
    new Map(met),
    new Map([
      [bob.id, [{ hostname: "127.0.0.1", port: 5002 }]],
      [ann.id, [{ hostname: "127.0.0.1", port: 5001 }]],
    ]),
  );
  await Promise.all([ann.close(), bob.close()]);
});

Deno.test("known peers: without the service two that were restarted go on, and it gets what they wrote from its author, or from both", async () => {
  const place = await makePlace();
  let service: Life = await startServer(place);
  try {
    await using ann = new Editor(place, "ann"), bob = new Editor(place, "bob");
    await ann.say("write together ");
    for (const one of [ann, bob]) {
      await one.until("they know each other", ({ text, known }) => text === "together " && known === 1);
    }
    await service.kill();
    await ann.stop();
    await bob.stop();
    await using annAgain = new Editor(place, "ann"), bobAgain = new Editor(place, "bob");
    for (const one of [annAgain, bobAgain]) {
      await one.until("they find each other", ({ peers, synced }) => peers === 1 && !synced);
    }
    await annAgain.say("write alone ");
    await bobAgain.until("bob reads it", ({ text }) => text === "together alone ");
    await bobAgain.say("write and back");
    await annAgain.until("ann reads it", ({ text }) => text === "together alone and back");
    service = await startServer(place);
    for (const one of [annAgain, bobAgain]) await one.until("back", ({ synced }) => synced);
    let read = await readAll(place);
    while (read.text !== "together alone and back") {
      await delay(200);
      read = await readAll(place);
    }
    // Longer than anybody waits for another one to bring it.
    await delay(13_000);
    const { text, changes } = await readAll(place);
    assert.equal(text, "together alone and back");
    // An author who is back more than five seconds after the other one sends again what that one has brought.
    assert.deepEqual([...changes].filter(([, times]) => times > 2), []);
    await annAgain.stop();
    await bobAgain.stop();
  } finally {
    await service.kill();
    await Deno.remove(place.directory, { recursive: true });
  }
});

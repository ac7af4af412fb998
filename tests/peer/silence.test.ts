/** A path dies in silence: two agents on a network in memory, and packets between them as a link sends them. */

import assert from "node:assert/strict";
import { Hedge } from "../../src/peer/hedge.ts";
import type { Path } from "../../src/peer/path.ts";
import { FakeClock } from "../support/clock.ts";
import { agent, Net } from "./memory_net.ts";

/** One side: an agent, and what a link does with the path that it chooses. */
class End {
  readonly told;
  readonly hedge: Hedge<Path>;
  /** Numbers of packets that came, the latest first time only. */
  readonly came = new Set<number>();
  copies = 0;
  onFirst: (number: number) => void = () => {};

  constructor(net: Net, name: string, direct: string, relayed: string) {
    const sockets = [net.socket(direct), net.socket(relayed)] as const;
    this.told = agent(net, name, sockets[0]);
    this.told.listen(sockets[1], true);
    const { agent: ice } = this.told;
    const post = (bytes: Uint8Array, { socket, remote }: Path): void => void socket.send(bytes, remote);
    this.hedge = new Hedge(net.clock, {
      onCopy: (bytes, second) => {
        this.copies++;
        post(bytes, second);
      },
      onSilence: (second) => ice.tellSilence(second),
      onLeave: (path) => ice.leaveFor(path),
    });
    this.told.onPath = () => this.hedge.moved(ice.current);
    this.told.onRevived = () => ice.current && this.hedge.revived(ice.current);
    this.told.onSilence = (path) => this.hedge.asked(path, ice.current, ice.paths);
    this.told.onData = (bytes, path) => {
      this.hedge.hears(path, ice.current);
      const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      if (this.came.has(number)) return;
      this.came.add(number);
      this.onFirst(number);
    };
  }

  send(number: number): void {
    const { current, paths } = this.told.agent;
    if (current === undefined) return;
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, number);
    const second = this.hedge.sends(current, paths, bytes);
    void current.socket.send(bytes, current.remote);
    if (second === undefined) return;
    this.copies++;
    void second.socket.send(bytes, second.remote);
  }
}

const DIRECT = ["192.0.2.1", "192.0.2.2"], RELAYED = ["198.51.100.1", "198.51.100.2"];
/** Sends a packet again, as QUIC does with what was not answered: then, and twice as late each time. */
const PROBE = 90;

/** Two ends with a direct path and relayed ones between them, 40 ms there and back. */
async function ends() {
  const clock = new FakeClock(), net = new Net(clock);
  net.delay = 20;
  const [a, b] = [0, 1].map((i) => new End(net, `${i}`, DIRECT[i]!, RELAYED[i]!)) as [End, End];
  const candidates = (i: number) => [
    { kind: "host", address: { hostname: DIRECT[i]!, port: 1 } } as const,
    { kind: "relayed", address: { hostname: RELAYED[i]!, port: 1 } } as const,
  ];
  a.told.agent.addCandidates(candidates(1));
  b.told.agent.addCandidates(candidates(0));
  a.told.agent.setRemote(b.told.agent.local);
  b.told.agent.setRemote(a.told.agent.local);
  await clock.advance(3_000);
  const kinds = (): unknown[] => [a, b].map(({ told }) => told.agent.current?.kind);
  assert.deepEqual(kinds(), ["direct", "direct"]);
  const changes = (): number => a.told.paths.length + b.told.paths.length;
  const close = (): void => {
    for (const { told, hedge } of [a, b]) {
      told.agent.close();
      hedge.moved();
    }
  };
  /** A sends a packet, B answers, and so on. Resolves with how often each number was sent until it was answered. */
  const trips = async (times: number, each: (number: number) => void = () => {}): Promise<number[]> => {
    const tries: number[] = [];
    b.onFirst = (number) => b.send(number);
    const first = Math.max(0, ...a.came) + 1;
    for (let number = first; number < first + times; number++) {
      each(number - first);
      let sent = 0, pause = PROBE;
      for (; !a.came.has(number); pause *= 2, sent++) {
        // What was answered and got lost is answered again, as an acknowledgement would be.
        b.came.delete(number);
        a.send(number);
        for (let ms = 0; ms < pause && !a.came.has(number); ms += 5) await clock.advance(5);
      }
      tries.push(sent);
    }
    return tries;
  };
  return { clock, net, a, b, kinds, changes, trips, [Symbol.dispose]: close };
}

const isDirect = (address: { hostname: string }): boolean => DIRECT.includes(address.hostname);

for (
  const [name, lost] of [["both directions", "both"], ["the way there", "there"], [
    "the way back",
    "back",
  ]] as const
) {
  Deno.test(`silent path: one that dies in ${name} is passed by with the first packet that is sent again`, async () => {
    using pair = await ends();
    const { net, trips, a, b } = pair;
    await trips(20);
    assert.equal(a.copies + b.copies, 0);
    const before = pair.changes();
    const tries = await trips(20, (i) => {
      if (i !== 10) return;
      net.drops = (from, to) =>
        isDirect(from) && isDirect(to) &&
        (lost === "both" || (from.hostname === DIRECT[0]) === (lost === "there"));
    });
    const wanted = Array(20).fill(1);
    if (lost === "both") {
      wanted[10] = 2;
      assert.deepEqual(tries, wanted);
      assert.equal(pair.changes() - before, 2);
      assert.deepEqual(pair.kinds(), ["relayed", "relayed"]);
    } else {
      assert.equal(tries[10], 2);
      assert.ok(Math.max(...tries) <= 2, tries.join());
    }
    // Then it is known, and nothing goes twice.
    await trips(20);
    assert.deepEqual(pair.kinds(), ["relayed", "relayed"]);
    const copies = a.copies + b.copies;
    await trips(20);
    assert.equal(a.copies + b.copies, copies);
  });
}

Deno.test("silent path: one that works again is taken again by both", async () => {
  using pair = await ends();
  const { clock, net, trips } = pair;
  await trips(5);
  net.drops = (from, to) => isDirect(from) && isDirect(to);
  await trips(10);
  assert.deepEqual(pair.kinds(), ["relayed", "relayed"]);
  net.drops = () => false;
  await clock.advance(2_000);
  assert.deepEqual(pair.kinds(), ["direct", "direct"]);
});

Deno.test("silent path: an idle connection learns of it from the peer's first packet", async () => {
  using pair = await ends();
  const { net, trips, b } = pair;
  await trips(5);
  net.drops = (from, to) => isDirect(from) && isDirect(to);
  await trips(3);
  assert.equal(pair.a.told.silences.length, 0);
  assert.ok(b.told.silences.length > 0);
  assert.deepEqual(pair.kinds(), ["relayed", "relayed"]);
});

for (const share of [0.02, 0.1]) {
  Deno.test(`silent path: ${share * 100} % loss on all paths makes no path swing`, async () => {
    using pair = await ends();
    const { net, trips, changes } = pair;
    // Always the same sequence.
    let seed = 7;
    net.drops = () => (seed = seed * 48_271 % 0x7fffffff) / 0x7fffffff < share;
    const before = changes();
    await trips(400);
    const made = changes() - before;
    assert.ok(made <= 4, `${made} changes of the path in 400 round trips`);
  });
}

Deno.test("silent path: one that dies and comes back all the time is used less and less", async () => {
  using pair = await ends();
  const { clock, net, trips, changes } = pair;
  const counts: number[] = [];
  for (let round = 0; round < 3; round++) {
    const before = changes();
    for (let i = 0; i < 5; i++) {
      net.drops = (from, to) => isDirect(from) && isDirect(to);
      await trips(10);
      net.drops = () => false;
      await clock.advance(1_500);
    }
    counts.push(changes() - before);
  }
  assert.ok(counts[0]! > counts[2]!, counts.join());
  assert.ok(counts[2]! <= 4, counts.join());
});

Deno.test("silent path: a peer that has stopped is waited for, and nothing is doubled for long", async () => {
  using pair = await ends();
  const { clock, net, a, trips, changes } = pair;
  await trips(5);
  const before = changes();
  net.drops = () => true;
  for (let i = 0; i < 400; i++) {
    a.send(10_000 + i);
    await clock.advance(25);
  }
  assert.ok(a.copies <= 64 + 400 / 16, `${a.copies} copies`);
  // Each side tries each of its four paths once.
  assert.ok(changes() - before <= 6);
  net.drops = () => false;
  assert.ok((await trips(20)).every((sent) => sent <= 2));
});

Deno.test("silent path: what left while nothing worked comes with the first check that is answered", async () => {
  for (const dead of [1_000, 5_000]) {
    for (const back of ["the same path", "another one"]) {
      using pair = await ends();
      const { clock, net, a, b } = pair;
      net.drops = () => true;
      // QUIC's probes leave at these times, and then not for a long time.
      let at = 0;
      for (let pause = PROBE; at < dead; at += pause, pause *= 2) {
        a.send(1);
        await clock.advance(Math.min(pause, dead - at));
      }
      net.drops = back === "the same path" ? () => false : (from, to) => isDirect(from) || isDirect(to);
      await clock.advance(500);
      assert.ok(b.came.has(1), `${back} after ${dead} ms`);
    }
  }
});

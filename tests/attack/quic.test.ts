/** Attacks over UDP: packets that are none, handshakes that never end, floods of streams and datagrams. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers";
import { encode, varint } from "../support/wire.ts";
import { RawQuic } from "./attackers.ts";
import { forgeInitials } from "./initials.ts";
import { eventually, health, MEBIBYTE, Pair, startTarget, type Target } from "./support.ts";

/** Addresses that packets seem to come from: all of 127.0.0.0/8 is this machine. */
const ADDRESSES = 48;

/** Lets others in this process have their turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Sends what `make` makes to the service, `perSecond` of them from many addresses; returns how many left. */
async function sendUdp(
  target: Target,
  perSecond: number,
  ms: number,
  make: () => Uint8Array,
): Promise<number> {
  const to: Deno.NetAddr = { transport: "udp", hostname: "127.0.0.1", port: target.quicPort };
  const sockets = Array.from(
    { length: ADDRESSES },
    (_, i) => Deno.listenDatagram({ transport: "udp", hostname: `127.0.${1 + i}.1`, port: 0 }),
  );
  const began = performance.now();
  let sent = 0;
  try {
    for (let elapsed = 0; elapsed < ms; elapsed = performance.now() - began) {
      for (; sent < elapsed / 1000 * perSecond; sent++) {
        await sockets[sent % sockets.length]!.send(make(), to).catch(() => {});
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    for (const socket of sockets) socket.close();
  }
  return sent;
}

/** Connects again and again until `until` settles: each attempt must succeed. Returns how many did. */
async function connectWhile(target: Target, until: Promise<unknown>): Promise<number> {
  let isOver = false, count = 0;
  void until.then(() => isOver = true);
  while (!isOver) {
    await using client = await target.connect("quic", "carl");
    await client.ask("ping", {});
    count++;
  }
  return count;
}

Deno.test("attack: handshakes that never go on keep no QUIC client out", async () => {
  const initial = await forgeInitials();
  await using target = await startTarget({
    config: { session: { perIp: { rate: 100_000, burst: 100_000 } } },
  });
  await using pair = await Pair.start(target, "quic");
  const before = await target.residentBytes();
  // In three seconds, for which a handshake may last, as many as may be under way at once.
  const flood = sendUdp(target, 500, 3500, initial);
  const connected = await connectWhile(target, flood);
  assert.ok(connected > 0);
  const sent = await flood;
  assert.ok(sent > 1024, `${sent} packets`);
  const { connections } = await target.stats();
  assert.ok(connections <= 3, `${connections} connections, though no handshake went on`);
  const grown = await target.residentBytes() - before;
  assert.ok(grown < 256 * MEBIBYTE, `${grown} bytes more`);
  await pair.check(
    "unfinished QUIC handshakes",
    `${sent} begun, ${connected} clients connected meanwhile, ${(grown / MEBIBYTE).toFixed(0)} MiB more`,
  );
});

Deno.test("attack: junk on the UDP port harms nobody", async () => {
  await using target = await startTarget();
  await using pair = await Pair.start(target, "webtransport");
  const kinds = [
    // Any bytes; a short header, which might ask for a stateless reset; a version that nobody speaks; an Initial that is none.
    () => randomBytes(1 + Math.floor(Math.random() * 1400)),
    () => Uint8Array.of(0x40, ...randomBytes(60)),
    () => Uint8Array.of(0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, ...randomBytes(8), 0, ...randomBytes(1200)),
    () => Uint8Array.of(0xc0, 0, 0, 0, 1, 8, ...randomBytes(8), 0, 0, 0x44, 0xb0, ...randomBytes(1200)),
  ];
  let n = 0;
  const sent = await sendUdp(target, 4000, 1000, () => kinds[n++ % kinds.length]!());
  const { unhandledRejections } = await target.stats();
  assert.equal(unhandledRejections, 0);
  await pair.check("junk on UDP", `${sent} packets`);
});

Deno.test("attack: streams that are opened, cut and stopped end no other connection", async (t) => {
  await using target = await startTarget();
  /** Opens streams as fast as their credit comes back, for `ms`, or until the service has enough; returns how many. */
  const floodStreams = async (attacker: RawQuic, ms: number): Promise<number> => {
    const until = performance.now() + ms;
    let opened = 0;
    try {
      while (performance.now() < until) {
        const { writer, reader } = await attacker.stream();
        // By turns: a lane, one that is none, the beginning of a frame.
        await writer.write(varint([1, 0x4000, 200][++opened % 3]!));
        if (opened % 2 === 0) await writer.write(Uint8Array.of(0x44));
        await reader.cancel();
        await writer.close();
      }
    } catch {
      // The service ended the connection.
    }
    return opened;
  };
  /** The same with a new connection for each that was ended. */
  const floodConnections = async (user?: string): Promise<string> => {
    const until = performance.now() + 1000;
    let connections = 0, streams = 0;
    while (performance.now() < until) {
      try {
        await using attacker = await RawQuic.open(target, user);
        connections++;
        streams += await floodStreams(attacker, Math.min(500, until - performance.now()));
      } catch {
        // The rate of its address.
      }
      await turn();
    }
    return `${streams} streams on ${connections} connections`;
  };
  await t.step("by a user", async () => {
    await using pair = await Pair.start(target, "quic");
    const opened = await floodConnections("mallory");
    assert.equal(await health(target.port), "200");
    await pair.check("floods of streams by a user", opened);
  });
  await t.step("by strangers", async () => {
    await using pair = await Pair.start(target, "quic");
    const opened = await floodConnections();
    await pair.check("floods of streams by strangers", opened);
  });
});

Deno.test("attack: floods of datagrams delay nobody for long", async (t) => {
  await using target = await startTarget();
  const typing = encode(
    { type: "typing_start", id: "d", timestamp: 0, payload: { channel: "chat:pair" } },
    "json",
  );
  const floods: Record<string, () => Uint8Array<ArrayBuffer>> = {
    "of a message": () => typing,
    "of nothing": () => new Uint8Array(),
    "of bytes that are no message": () => new Uint8Array(randomBytes(1000)),
  };
  for (const [what, make] of Object.entries(floods)) {
    await t.step(what, async () => {
      await using pair = await Pair.start(target, "quic");
      await using attacker = await RawQuic.open(target, "mallory");
      const until = performance.now() + 1000;
      let sent = 0;
      try {
        while (performance.now() < until) {
          const some = Array.from({ length: 200 }, () => attacker.conn.sendDatagram(make()));
          await Promise.all(some);
          sent += some.length;
          await turn();
        }
      } catch {
        // The service ended the connection.
      }
      assert.equal(await health(target.port), "200");
      await pair.check(`floods of datagrams ${what}`, `${sent} sent`);
    });
  }
});

Deno.test("attack: a reader that is deaf on QUIC holds no more than its outbox", async () => {
  await using target = await startTarget({ config: { session: { maxOutbox: "256KiB" } } });
  await using pair = await Pair.start(target, "quic");
  const attackers = await Promise.all(Array.from({ length: 10 }, (_, i) => RawQuic.open(target, `deaf${i}`)));
  for (const attacker of attackers) await attacker.say("subscribe", { channel: "chat:loud" });
  await using loud = await target.connect("quic", "carl");
  await loud.ask("subscribe", { channel: "chat:loud" });
  const before = await target.residentBytes();
  const text = "x".repeat(16_000);
  let most = before, waiting = 0;
  // 8 MB for each of them: the window of a stream is 1.25 MB.
  for (let i = 0; i < 12; i++) {
    const say = () => loud.ask("chat_message", { channel: "chat:loud", text });
    await Promise.all(Array.from({ length: 40 }, say));
    const { process, outbox } = await target.stats();
    most = Math.max(most, process.residentBytes);
    waiting = Math.max(waiting, outbox.maxBytes);
  }
  const { drops, closes } = (await target.stats()).transports.quic;
  assert.ok((drops.channel ?? 0) > 0 || (closes[3008] ?? 0) > 0, JSON.stringify({ drops, closes }));
  assert.ok(waiting <= 256 * 1024, `${waiting} bytes waited for one`);
  const grown = most - before;
  assert.ok(grown < 96 * MEBIBYTE, `${grown} bytes more`);
  for (const attacker of attackers) await attacker[Symbol.asyncDispose]();
  await eventually("they are gone", async () => (await target.stats()).connections === 3);
  await pair.check("deaf readers over QUIC", `${(grown / MEBIBYTE).toFixed(0)} MiB more`);
});

/** Attacks over one WebSocket or many. */

import assert from "node:assert/strict";
import { frame, type RawClient } from "../websocket/raw_client.ts";
import { floodWebSockets, openWebSocket, repeated, say } from "./attackers.ts";
import { eventually, health, MEBIBYTE, Pair, startTarget } from "./support.ts";
import { settles } from "../../src/async/deadline.ts";

const CONTINUATION = 0, TEXT = 1, BINARY = 2, PING = 9, PONG = 10;
/** Bytes that one socket gets rid of although the service does not read: the buffers of the system on both sides. */
const BUFFERED = 16 * MEBIBYTE;

async function sockets(count: number, open: (i: number) => Promise<RawClient>): Promise<RawClient[]> {
  return await Promise.all(Array.from({ length: count }, (_, i) => open(i)));
}

Deno.test("attack: floods of control frames and fragments are paced, before and after authentication", async (t) => {
  await using target = await startTarget();
  const first = frame(TEXT, "{", { fin: false });
  const floods = {
    "pings": { bytes: repeated(frame(PING)) },
    "pings with content": { bytes: repeated(frame(PING, "x".repeat(125))) },
    "pongs": { bytes: repeated(frame(PONG)) },
    "empty fragments": { first, bytes: repeated(frame(CONTINUATION, "", { fin: false })) },
  };
  for (const [what, flood] of Object.entries(floods)) {
    for (const user of [undefined, "mallory"]) {
      const name = `${what}, ${user === undefined ? "strangers" : "a user"}`;
      await t.step(name, async () => {
        await using pair = await Pair.start(target, "websocket");
        const before = await target.stats();
        const attackers = await sockets(6, () => openWebSocket(target, user));
        const flooding = floodWebSockets(attackers, flood.bytes, { ms: 700, ...flood });
        assert.equal(await health(target.port), "200");
        const { bytes } = await flooding;
        // A service that reads them all takes hundreds of megabytes in this time.
        assert.ok(bytes <= attackers.length * BUFFERED, `${bytes} bytes were taken`);
        const after = await target.stats();
        const heldBack = ({ transports }: typeof after) => transports.websocket.errors.rate_limited ?? 0;
        assert.ok(
          heldBack(after) >= heldBack(before) + attackers.length,
          "each of them is held back and counted",
        );
        const cpu = after.process.cpuSeconds - before.process.cpuSeconds;
        await pair.check(
          name,
          `${(bytes / MEBIBYTE).toFixed(1)} MiB taken, ${cpu.toFixed(2)} s of processor`,
        );
      });
    }
  }
});

Deno.test("attack: messages of 64 MiB before authentication take no memory", async (t) => {
  await using target = await startTarget();
  const size = 64 * MEBIBYTE;
  const piece = new Uint8Array(65_536);
  const ways = {
    "one frame": { first: frame(BINARY, "", { length: size, lengthBytes: 8 }), bytes: piece },
    "fragments": {
      first: frame(BINARY, piece.subarray(0, 1000), { fin: false }),
      bytes: repeated(frame(CONTINUATION, piece.subarray(0, 1000), { fin: false })),
    },
  };
  for (const [what, way] of Object.entries(ways)) {
    await t.step(what, async () => {
      await using pair = await Pair.start(target, "websocket");
      const before = await target.residentBytes();
      const attackers = await sockets(50, () => openWebSocket(target));
      const flooding = floodWebSockets(attackers, way.bytes, { ms: 1000, first: way.first });
      let most = before;
      do most = Math.max(most, await target.residentBytes()); while (!await settles(flooding, 50));
      const { cut } = await flooding;
      assert.equal(cut, attackers.length, "each of them is cut");
      const grown = most - before;
      assert.ok(grown < 80 * MEBIBYTE, `${grown} bytes more`);
      await pair.check(`64 MiB before authentication, ${what}`, `${(grown / MEBIBYTE).toFixed(0)} MiB more`);
    });
  }
});

Deno.test("attack: readers that are deaf hold no more than their outbox", async () => {
  await using target = await startTarget({ config: { session: { maxOutbox: "256KiB" } } });
  await using pair = await Pair.start(target, "websocket");
  const attackers = await sockets(20, (i) => openWebSocket(target, `deaf${i}`));
  for (const attacker of attackers) await say(attacker, "subscribe", { channel: "chat:loud" });
  await using loud = await target.connect("websocket", "carl");
  await loud.ask("subscribe", { channel: "chat:loud" });
  const before = await target.residentBytes();
  const text = "x".repeat(16_000);
  let most = before, waiting = 0;
  // 12.8 MB for each of them: more than the buffers of the system take.
  for (let i = 0; i < 20; i++) {
    const say = () => loud.ask("chat_message", { channel: "chat:loud", text });
    await Promise.all(Array.from({ length: 40 }, say));
    const { process, outbox } = await target.stats();
    most = Math.max(most, process.residentBytes);
    waiting = Math.max(waiting, outbox.maxBytes);
  }
  const { drops, closes } = (await target.stats()).transports.websocket;
  assert.ok((drops.channel ?? 0) > 0 || (closes[3008] ?? 0) > 0, JSON.stringify({ drops, closes }));
  assert.ok(waiting <= 256 * 1024, `${waiting} bytes waited for one`);
  const grown = most - before;
  assert.ok(grown < 128 * MEBIBYTE, `${grown} bytes more`);
  for (const attacker of attackers) attacker.close();
  await pair.check("deaf readers over WebSocket", `${(grown / MEBIBYTE).toFixed(0)} MiB more`);
});

Deno.test("attack: a storm of refused connections writes few lines, and all of them are counted", async () => {
  await using target = await startTarget({ config: { session: { perIp: { rate: 5, burst: 100 } } } });
  await using pair = await Pair.start(target, "websocket");
  const logged = target.logged;
  const statuses = new Map<string, number>();
  for (let round = 0; round < 15; round++) {
    const answers = await Promise.all(Array.from({ length: 100 }, async () => {
      try {
        const client = await openWebSocket(target);
        client.close();
        return "101";
      } catch (error) {
        return String(error).match(/HTTP\/1.1 (\d+)/)?.[1] ?? String(error);
      }
    }));
    for (const status of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  const refused = statuses.get("429") ?? 0;
  assert.ok(refused > 1000, JSON.stringify([...statuses]));
  const { errors } = (await target.stats()).transports.websocket;
  assert.equal(errors.rate_limited, refused);
  const bytes = target.logged - logged;
  assert.ok(bytes < 32_768, `${bytes} bytes of log for ${refused} refused connections`);
  await pair.check("refused connections", `${refused} refused, ${bytes} bytes of log`);
});

Deno.test("attack: users that come and go at a high rate fill no log", async () => {
  await using target = await startTarget({
    config: {
      session: { perIp: { rate: 10_000, burst: 10_000 } },
      http: { perIp: { rate: 10_000, burst: 10_000 } },
    },
  });
  await using pair = await Pair.start(target, "websocket");
  const token = await target.token("mallory");
  const churn = async (count: number): Promise<number> => {
    const before = target.logged;
    for (let i = 0; i < count; i++) {
      const client = await openWebSocket(target);
      await say(client, "auth_request", { token });
      await client.receive();
      client.close();
    }
    await eventually("they are gone", async () => (await target.stats()).connections === 2);
    return target.logged - before;
  };
  const bytes = await churn(500);
  assert.ok(bytes < 500 * 300, `${bytes} bytes of log for 500 connections`);
  await pair.check("users that come and go", `${bytes} bytes of log`);
});

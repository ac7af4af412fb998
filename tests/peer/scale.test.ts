/** Many at once: connections that begin together, and peers on one multiplexer. */

import assert from "node:assert/strict";
import { Pacer } from "../../src/peer/pacer.ts";
import { openPairs } from "../bench/peer/links.ts";
import { SignallingHub } from "./support.ts";

Deno.test("peer scale: fifty connections that begin at once all come", async () => {
  const hub = new SignallingHub();
  const centre = await hub.peer();
  const others = await Promise.all(Array.from({ length: 50 }, () => hub.peer()));
  const connections = others.map((other, i) =>
    // Half call, half are called.
    i % 2 === 0 ? other.connect(centre.id) : centre.connect(other.id)
  );
  await Promise.all(connections.map((connection) => connection.ready()));
  assert.equal(centre.connections.size, 50);
  assert.deepEqual([...new Set(connections.map(({ state }) => state))], ["connected"]);
  await Promise.all([centre, ...others].map((node) => node.close()));
});

Deno.test("peer scale: a hundred peers on one socket each find their path", async () => {
  const { mux, agents, confirmed } = openPairs(100);
  await confirmed;
  assert.equal(agents.filter(({ current }) => current?.kind === "direct").length, 100);
  await mux.close();
});

Deno.test("peer scale: checks of all together leave at most a thousand a second after a burst", () => {
  const pacer = new Pacer();
  const times = Array.from({ length: 1_000 }, () => pacer.reserve(10_000));
  assert.equal(times.filter((at) => at <= 10_000).length, 65);
  assert.equal(times.at(-1), 10_000 - 64 + 999);
});

Deno.test("peer scale: a pause lets only the next burst out at once", () => {
  const pacer = new Pacer();
  for (let i = 0; i < 1_000; i++) pacer.reserve(0);
  const times = Array.from({ length: 100 }, () => pacer.reserve(60_000));
  assert.equal(times.filter((at) => at <= 60_000).length, 65);
});

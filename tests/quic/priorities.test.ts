import assert from "node:assert/strict";
import { UdpProxy } from "../support/udp_proxy.ts";
import { ADAPTERS, connectedPair, first, within } from "./adapters.ts";
import { type Connection, PRIORITY, type ReceiveStream, type SendStream } from "../../src/quic/mod.ts";

const [RAW, WEBTRANSPORT] = [ADAPTERS[0]!, ADAPTERS[1]!];
const SIZE = 300_000;

interface Pipe {
  readonly name: string;
  readonly from: SendStream;
  readonly to: ReceiveStream;
}

/** Opens streams one after the other, each with its priority. */
async function pipes(
  sender: Connection,
  receiver: Connection,
  priorities: readonly (readonly [string, number])[],
): Promise<Pipe[]> {
  const all: Pipe[] = [];
  for (const [name, priority] of priorities) {
    const from = await sender.openUnidirectionalStream({ priority });
    await from.write(new Uint8Array(1));
    const to = await first(receiver.incomingUnidirectionalStreams);
    await to.readExact(1);
    all.push({ name, from, to });
  }
  return all;
}

/**
 * Queues SIZE bytes on each stream, in this order, while nothing passes, then lets all pass. Returns the names in the
 * order in which they were complete, and the bytes that had come of all when the last stream of the list was.
 */
async function race(all: readonly Pipe[], proxy: UdpProxy): Promise<{ order: string[]; received: number }> {
  proxy.blackHole = true;
  for (const { from } of all) await within(from.write(new Uint8Array(SIZE)));
  const order: string[] = [];
  let received = 0;
  const reading = all.map(async ({ name, to }) => {
    await to.readExact(SIZE);
    order.push(name);
    if (name === all.at(-1)!.name) {
      received = all.reduce((sum, pipe) => sum + pipe.to.stats().bytesReceived, 0);
    }
  });
  proxy.blackHole = false;
  await within(Promise.all(reading));
  return { order, received };
}

for (const adapter of [RAW, WEBTRANSPORT]) {
  Deno.test(`priorities: ${adapter.name}: streams are complete in the order of their priorities`, async () => {
    let proxy: UdpProxy | undefined;
    try {
      await using pair = await connectedPair(adapter, {}, {
        port: ({ address }) => (proxy = new UdpProxy({ target: address })).port,
      });
      // The least urgent was opened and is written first.
      const levels = Object.entries(PRIORITY).toSorted(([, a], [, b]) => a - b);
      const all = await pipes(pair.client, pair.server, levels);
      const { order } = await race(all, proxy!);
      assert.deepEqual(order, ["CRITICAL", "HIGH", "NORMAL", "LOW", "BACKGROUND"]);
    } finally {
      await proxy?.close();
    }
  });

  Deno.test(`priorities: ${adapter.name}: a critical stream gets the bandwidth of the path`, async () => {
    let proxy: UdpProxy | undefined;
    try {
      await using pair = await connectedPair(adapter, {}, {
        port: ({ address }) => (proxy = new UdpProxy({ target: address })).port,
      });
      const bulk = Array.from({ length: 8 }, (_, i) => [`bulk ${i}`, PRIORITY.LOW] as const);
      const all = await pipes(pair.server, pair.client, [...bulk, ["critical", PRIORITY.CRITICAL]]);
      const { order, received } = await race(all, proxy!);
      assert.equal(order[0], "critical");
      // Were all streams served alike, nine times SIZE would have come by then.
      assert.ok(received < 2 * SIZE, `${received - SIZE} bytes of bulk came before`);
    } finally {
      await proxy?.close();
    }
  });
}

Deno.test("priorities: a change applies to what is written next", async () => {
  let proxy: UdpProxy | undefined;
  try {
    await using pair = await connectedPair(RAW, {}, {
      port: ({ address }) => (proxy = new UdpProxy({ target: address })).port,
    });
    const bulk = Array.from({ length: 4 }, (_, i) => [`bulk ${i}`, PRIORITY.LOW] as const);
    const all = await pipes(pair.client, pair.server, [...bulk, ["changed", PRIORITY.BACKGROUND]]);
    all.at(-1)!.from.priority = PRIORITY.CRITICAL;
    const { order, received } = await race(all, proxy!);
    assert.equal(order[0], "changed");
    assert.ok(received < 2 * SIZE, `${received - SIZE} bytes of bulk came before`);
  } finally {
    await proxy?.close();
  }
});

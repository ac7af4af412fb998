import assert from "node:assert/strict";
import fc from "fast-check";
import { UdpProxy } from "../support/udp_proxy.ts";
import { ADAPTERS, connectedPair, first, readExactly, within } from "./adapters.ts";
import type { MigrationEvent } from "../../src/quic/mod.ts";

for (const adapter of ADAPTERS.slice(0, 2)) {
  /** Validates: a stream goes on over any changes of address, and each change is counted and told once. */
  Deno.test(`Feature: quic-transport, Property 12: migration keeps state, order and data (of a stream on ${adapter.name})`, async () => {
    let proxy: UdpProxy | undefined;
    try {
      await using pair = await connectedPair(adapter, {}, {
        port: ({ address }) => (proxy = new UdpProxy({ target: address })).port,
      });
      const { client, server } = pair;
      const events: MigrationEvent[] = [];
      server.onMigrated((event) => events.push(event));
      const stream = await client.openBidirectionalStream();
      await stream.write(Uint8Array.of(0));
      const accepted = await first(server.incomingBidirectionalStreams);
      await readExactly(accepted, 1);
      let migrations = 0;
      let next = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.record({ size: fc.integer({ min: 1, max: 4000 }), move: fc.boolean() }), {
            minLength: 1,
            maxLength: 5,
          }),
          async (steps) => {
            for (const { size, move } of steps) {
              if (move) proxy!.rebind();
              const sent = new Uint8Array(size).map(() => next++ & 0xff);
              const echo = (async () => {
                const got = await within(readExactly(accepted, size), 20_000);
                await accepted.write(got.slice());
                return got;
              })();
              echo.catch(() => {});
              await within(stream.write(sent));
              assert.deepEqual(await within(readExactly(stream, size), 20_000), sent);
              assert.deepEqual(await echo, sent);
              if (move) migrations++;
              // The answer may have left by the old path: the new one counts with its first packet.
              for (let i = 0; i < 3_000 && server.stats().migrations < migrations; i++) {
                server.checkPath();
                if (server.stats().migrations < migrations) {
                  await new Promise((resolve) => setTimeout(resolve, 10));
                }
              }
              assert.equal(server.stats().migrations, migrations);
              assert.equal(events.length, migrations);
              assert.ok(proxy!.outgoingPorts.includes(server.remoteAddress!.port));
            }
          },
        ),
        { numRuns: 100 },
      );
      assert.ok(migrations > 10);
      for (const { from, to } of events) assert.notEqual(from.port, to.port);
      assert.equal(client.stats().migrations, 0);
      assert.equal(server.stats().streamsActive, 1);
    } finally {
      await proxy?.close();
    }
  });
}

Deno.test("migration: a removed listener is not called again", async () => {
  let proxy: UdpProxy | undefined;
  try {
    await using pair = await connectedPair(ADAPTERS[0]!, {}, {
      port: ({ address }) => (proxy = new UdpProxy({ target: address })).port,
    });
    const stop = pair.server.onMigrated(() => assert.fail("told after all"));
    stop();
    await within(pair.server.ready); // Within a handshake a new address is not followed.
    proxy!.rebind();
    const stream = await pair.client.openBidirectionalStream();
    await stream.write(Uint8Array.of(1));
    await first(pair.server.incomingBidirectionalStreams);
    pair.server.checkPath();
    assert.equal(pair.server.stats().migrations, 1);
  } finally {
    await proxy?.close();
  }
});

Deno.test("idle: a connection whose packets vanish ends by timeout on both sides", async () => {
  let proxy: UdpProxy | undefined;
  try {
    await using pair = await connectedPair(ADAPTERS[0]!, { maxIdleTimeout: 600 }, {
      port: ({ address }) => (proxy = new UdpProxy({ target: address })).port,
    });
    const loops = [pair.client, pair.server].map(async (side) => {
      for await (const _ of side.incomingBidirectionalStreams) assert.fail("nothing was sent");
    });
    proxy!.blackHole = true;
    assert.equal((await within(pair.server.closed)).by, "timeout");
    assert.equal((await within(pair.client.closed)).by, "timeout");
    await within(Promise.all(loops));
    assert.ok(proxy!.counters.swallowed > 0);
  } finally {
    await proxy?.close();
  }
});

Deno.test("loss: data arrives whole through a path that drops a tenth of all packets", async () => {
  let proxy: UdpProxy | undefined;
  try {
    await using pair = await connectedPair(ADAPTERS[0]!, {}, {
      port: ({ address }) => (proxy = new UdpProxy({ target: address, seed: 7 })).port,
    });
    proxy!.drop = 0.1;
    const sent = new Uint8Array(200_000).map((_, i) => (i * 31) & 0xff);
    const stream = await pair.client.openUnidirectionalStream();
    const writing = stream.write(sent);
    const accepted = await within(
      pair.server.incomingUnidirectionalStreams[Symbol.asyncIterator]().next(),
      20_000,
    );
    assert.deepEqual(await within(readExactly(accepted.value!, sent.length), 30_000), sent);
    await writing;
    assert.ok(proxy!.counters.dropped > 0);
  } finally {
    await proxy?.close();
  }
});

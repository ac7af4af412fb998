import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ADAPTERS,
  bytes,
  connectedPair,
  first,
  readAll,
  readExactly,
  text,
  until,
  within,
} from "./adapters.ts";
import { type BidirectionalStream, type Connection, PRIORITY } from "../../src/quic/mod.ts";

const RAW = ADAPTERS[0]!;
const MAX_STREAMS = 40;

/** Opens streams, the first byte of each being its number. */
async function openTagged(client: Connection, count: number): Promise<BidirectionalStream[]> {
  const streams: BidirectionalStream[] = [];
  for (let tag = 0; tag < count; tag++) {
    const stream = await within(client.openBidirectionalStream({ wait: true }));
    await stream.write(Uint8Array.of(tag));
    streams.push(stream);
  }
  return streams;
}

/** Takes streams of `openTagged` and hands them out by number. */
async function acceptByTag(
  incoming: AsyncIterator<BidirectionalStream>,
  count: number,
): Promise<Map<number, BidirectionalStream>> {
  const streams = new Map<number, BidirectionalStream>();
  for (let i = 0; i < count; i++) {
    const { value } = await within(incoming.next());
    streams.set((await readExactly(value!, 1))[0]!, value!);
  }
  return streams;
}

for (const adapter of [ADAPTERS[0]!, ADAPTERS[1]!]) {
  /**
   * Validates: streams whose peer does not read, with their windows full, hold up no data of the others in either
   * direction.
   */
  Deno.test(`Feature: quic-transport, Property 10: streams do not block one another (on ${adapter.name})`, async () => {
    await using pair = await connectedPair(adapter, { maxBidirectionalStreams: MAX_STREAMS });
    const incoming = pair.server.incomingBidirectionalStreams[Symbol.asyncIterator]();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), { minLength: 1, maxLength: 6 }),
        async (stalled, payloads) => {
          const streams = await openTagged(pair.client, stalled + payloads.length);
          const accepted = await acceptByTag(incoming, streams.length);
          // The server does not read these: their window fills and their writes wait.
          const blocked = streams.slice(0, stalled).map((stream) => {
            const write = stream.write(new Uint8Array(2_000_000));
            write.catch(() => {});
            return write;
          });
          await Promise.all(payloads.map(async (payload, i) => {
            const [here, there] = [streams[stalled + i]!, accepted.get(stalled + i)!];
            const got = within(readExactly(there, payload.length));
            await within(here.write(payload));
            assert.deepEqual(await got, new Uint8Array(payload));
            await there.write(payload);
            assert.deepEqual(await within(readExactly(here, payload.length)), new Uint8Array(payload));
          }));
          for (const stream of accepted.values()) stream.cancel();
          await Promise.allSettled(blocked.map((write) => within(write)));
          await Promise.all([...accepted.values()].map((stream) => stream.end()));
          for (const stream of streams) {
            stream.cancel();
            stream.abort();
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  /** Validates: whoever ends a stream and however, in the middle of traffic, nothing is lost on the others. */
  Deno.test(`Feature: quic-transport, Property 11: a closed stream leaves the others (on ${adapter.name})`, async () => {
    await using pair = await connectedPair(adapter, { maxBidirectionalStreams: MAX_STREAMS });
    const incoming = pair.server.incomingBidirectionalStreams[Symbol.asyncIterator]();
    const fate = fc.constantFrom("end", "abort", "cancel", "peer ends", "peer cancels", "stays");
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            fate,
            sizes: fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 4 }),
          }),
          {
            minLength: 2,
            maxLength: 8,
          },
        ),
        async (plans) => {
          const streams = await openTagged(pair.client, plans.length);
          const accepted = await acceptByTag(incoming, streams.length);
          await Promise.all(plans.map(async ({ fate, sizes }, tag) => {
            const [here, there] = [streams[tag]!, accepted.get(tag)!];
            if (fate === "end") return await here.end();
            if (fate === "abort") return here.abort();
            if (fate === "cancel") return here.cancel();
            if (fate === "peer ends") return await there.end();
            if (fate === "peer cancels") return there.cancel();
            // This one goes on while those end.
            for (const [round, size] of sizes.entries()) {
              const sent = new Uint8Array(size).fill(tag * 16 + round);
              for (const [from, to] of [[here, there], [there, here]] as const) {
                const got = within(readExactly(to, size));
                await within(from.write(sent));
                assert.deepEqual(await got, sent);
              }
            }
          }));
          for (const stream of [...streams, ...accepted.values()]) {
            stream.cancel();
            stream.abort();
          }
        },
      ),
      { numRuns: 100 },
    );
  });
}

Deno.test("streams: an urgent stream is not blocked by an unread bulk stream", async () => {
  await using pair = await connectedPair(RAW);
  const { client, server } = pair;
  const bulk = await client.openBidirectionalStream({ priority: PRIORITY.BACKGROUND });
  let sent = 0;
  const pumping = (async () => {
    for (let i = 0; i < 200; i++) {
      await bulk.write(new Uint8Array(64 * 1024));
      sent++;
    }
  })();
  pumping.catch(() => {});
  const incoming = server.incomingBidirectionalStreams[Symbol.asyncIterator]();
  const slow = (await within(incoming.next())).value!;
  await until(() => sent > 2, "bulk data on its way");
  const urgent = await client.openBidirectionalStream({ priority: PRIORITY.CRITICAL });
  await urgent.write(bytes("now"));
  const fast = (await within(incoming.next())).value!;
  // Not a byte of the bulk was read here, so its stream is blocked: the urgent one is not.
  assert.equal(text(await within(readExactly(fast, 3))), "now");
  bulk.abort();
  slow.cancel();
  await assert.rejects(pumping);
});

Deno.test("streams: a peer that does not read stops a W3C writable", async () => {
  await using pair = await connectedPair(RAW);
  const stream = await pair.client.openBidirectionalStream();
  const writer = stream.writable.getWriter();
  let written = 0;
  const writing = (async () => {
    for (; written < 1000; written++) {
      await writer.ready;
      await writer.write(new Uint8Array(64 * 1024));
    }
  })();
  writing.catch(() => {});
  const accepted = await first(pair.server.incomingBidirectionalStreams);
  let before = -1;
  // It has stopped when nothing more is written while the event loop turns.
  while (before !== written) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(written < 1000, "64 MB were taken from a writer whose reader takes nothing");
  const stalledAt = written * 64 * 1024;
  for (let got = 0; got < stalledAt;) got += (await within(accepted.read(new Uint8Array(65536))))!.length;
  await until(() => written > before, "the writer to go on");
  stream.abort();
  await assert.rejects(writing);
});

Deno.test("streams: small reads lose nothing of what came with a stream's header", async () => {
  const adapter = ADAPTERS[1]!;
  await using pair = await connectedPair(adapter);
  const stream = await pair.client.openBidirectionalStream();
  const sent = new Uint8Array(200).map((_, i) => i);
  await stream.write(sent);
  const accepted = await first(pair.server.incomingBidirectionalStreams);
  const got: number[] = [];
  while (got.length < sent.length) got.push(...(await within(accepted.read(new Uint8Array(7))))!);
  assert.deepEqual(got, [...sent]);
  assert.equal(accepted.stats().bytesReceived, 200);
});

Deno.test("streams: a second write while one is pending is refused", async () => {
  await using pair = await connectedPair(RAW);
  const stream = await pair.client.openBidirectionalStream();
  const one = stream.write(bytes("a"));
  await assert.rejects(stream.write(bytes("b")), { code: "write_pending" });
  await one;
  await stream.end();
  await assert.rejects(stream.write(bytes("c")), { code: "stream_ended" });
  assert.equal(text(await within(readAll(await first(pair.server.incomingBidirectionalStreams)))), "a");
});

for (const adapter of [ADAPTERS[0]!, ADAPTERS[1]!]) {
  Deno.test(`streams: ${adapter.name}: readExact gathers what comes in pieces`, async () => {
    await using pair = await connectedPair(adapter);
    const stream = await pair.client.openBidirectionalStream();
    const sent = new Uint8Array(100_000).map((_, i) => (i * 13) & 0xff);
    await stream.write(sent.subarray(0, 10));
    const accepted = await first(pair.server.incomingBidirectionalStreams);
    const reading = accepted.readExact(sent.length);
    for (let at = 10; at < sent.length; at += 7_001) await stream.write(sent.subarray(at, at + 7_001));
    assert.deepEqual(await within(reading), sent);
    assert.deepEqual(await accepted.readExact(0), new Uint8Array(0));
    assert.equal(accepted.stats().bytesReceived, sent.length);
  });

  Deno.test(`streams: ${adapter.name}: readExact rejects when the stream ends before`, async () => {
    await using pair = await connectedPair(adapter);
    const stream = await pair.client.openBidirectionalStream();
    await stream.write(bytes("four"));
    await stream.end();
    const accepted = await first(pair.server.incomingBidirectionalStreams);
    await assert.rejects(within(accepted.readExact(5)), {
      code: "unexpected_end",
      message: "the stream ended after 4 of 5 bytes",
    });
  });
}

Deno.test("streams: the halves of a split stream are the stream", async () => {
  await using pair = await connectedPair(RAW);
  const stream = await pair.client.openBidirectionalStream({ priority: PRIORITY.LOW });
  const { send, receive } = stream.split();
  await send.write(bytes("through a half"));
  await send.end();
  const accepted = await first(pair.server.incomingBidirectionalStreams);
  assert.equal(text(await within(readAll(accepted))), "through a half");
  await accepted.write(bytes("back"));
  assert.equal(text(await within(receive.readExact(4))), "back");
  assert.deepEqual([send.id, receive.id, send.priority], [stream.id, stream.id, PRIORITY.LOW]);
  assert.deepEqual([stream.stats().bytesSent, stream.stats().bytesReceived], [14, 4]);
  await assert.rejects(stream.write(bytes("x")), { code: "stream_ended" });
});

Deno.test("streams: statistics show what is buffered on both sides", async () => {
  await using pair = await connectedPair(ADAPTERS[1]!);
  const stream = await pair.client.openBidirectionalStream();
  await stream.write(bytes("0123456789"));
  const accepted = await first(pair.server.incomingBidirectionalStreams);
  await within(accepted.readExact(4));
  // What came with the stream's header waits here.
  assert.equal(accepted.stats().receiveBuffered, 6);
  await within(accepted.readExact(6));
  assert.equal(accepted.stats().receiveBuffered, 0);

  const size = 4_000_000; // More than the window of a stream that nobody reads.
  const blocked = stream.write(new Uint8Array(size));
  assert.equal(stream.stats().sendBuffered, size);
  stream.abort();
  await assert.rejects(blocked, { code: "stream_aborted" });
  assert.equal(stream.stats().sendBuffered, 0);
});

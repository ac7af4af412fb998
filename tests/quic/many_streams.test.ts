import assert from "node:assert/strict";
import { ADAPTERS, connectedPair, until, within } from "./adapters.ts";
import type { BidirectionalStream } from "../../src/quic/mod.ts";

const SIZE = 1_000;

async function echoAll(streams: AsyncIterable<BidirectionalStream>): Promise<void> {
  for await (const stream of streams) {
    void (async () => {
      await stream.write(await stream.readExact(SIZE));
      assert.equal(await stream.read(new Uint8Array(1)), null);
      await stream.end();
    })();
  }
}

for (const adapter of [ADAPTERS[0]!, ADAPTERS[1]!]) {
  for (const count of [100, 1_000]) {
    Deno.test(`many streams: ${adapter.name}: ${count} at once are echoed and counted one by one`, async () => {
      await using pair = await connectedPair(adapter, { maxBidirectionalStreams: count });
      const { client, server } = pair;
      const echoing = echoAll(server.incomingBidirectionalStreams);
      const streams = await Promise.all(
        Array.from({ length: count }, () => client.openBidirectionalStream()),
      );
      assert.equal(client.stats().streamsActive, count);
      const contents = streams.map((_, i) => new Uint8Array(SIZE).map((_, at) => (i + at) & 0xff));
      await within(Promise.all(streams.map((stream, i) => stream.write(contents[i]!))), 30_000);
      const back = await within(Promise.all(streams.map((stream) => stream.readExact(SIZE))), 30_000);
      back.forEach((bytes, i) => assert.deepEqual(bytes, contents[i]));
      for (const stream of streams) {
        const { openedAt, ...rest } = stream.stats();
        assert.deepEqual(rest, { bytesSent: SIZE, bytesReceived: SIZE, sendBuffered: 0, receiveBuffered: 0 });
        assert.ok(openedAt > 0);
      }
      const open = client.stats();
      assert.deepEqual(
        [open.streamsOpened, open.streamsActive, open.streamsClosed, open.bytesSent, open.bytesReceived],
        [count, count, 0, count * SIZE, count * SIZE],
      );
      await within(
        Promise.all(streams.map(async (stream) => {
          await stream.end();
          assert.equal(await stream.read(new Uint8Array(1)), null);
        })),
        30_000,
      );
      assert.deepEqual([client.stats().streamsActive, client.stats().streamsClosed], [0, count]);
      await until(() => server.stats().streamsClosed === count, "the server's side of them");
      assert.equal(server.stats().streamsAccepted, count);
      const { handedOut, streamsAccepted, bytesReceived } = pair.listener.stats();
      assert.deepEqual([handedOut, streamsAccepted, bytesReceived], [1, count, count * SIZE]);
      void client.close();
      await within(echoing);
    });
  }
}

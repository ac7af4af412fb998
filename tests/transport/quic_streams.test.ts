/** Streams of a client that do not become lanes: silent ones, and a second one for an open lane. */

import assert from "node:assert/strict";
import { ADAPTERS, connectedPair, until, within } from "../quic/adapters.ts";
import { QuicMessageConnection } from "../../src/transport/quic.ts";
import type { Connection } from "../../src/quic/mod.ts";

interface Taken {
  /** Texts of frames by lane. */
  readonly frames: [number, string][];
  readonly failures: string[];
}

/** Takes the server's end of a connection for messages. */
function takeMessages(connection: Connection): Taken {
  const frames: [number, string][] = [];
  const failures: string[] = [];
  new QuicMessageConnection(connection, { maxFrame: 1000, maxStreams: 10 }, 5000).start({
    frame: (data, { lane }) => {
      frames.push([lane, typeof data === "string" ? data : new TextDecoder().decode(data)]);
    },
    ended: () => {},
    failed: (error) => failures.push(String(error)),
    heldBack: () => {},
    streamLost: () => {},
    migrated: () => {},
  }, { take: () => undefined, reroute: () => {}, laneLost: () => {} });
  return { frames, failures };
}

/** A lane's number and one frame of two letters. */
function opening(lane: number, text: string): Uint8Array {
  return Uint8Array.of(lane, 2, ...new TextEncoder().encode(text));
}

for (const adapter of [ADAPTERS[0]!, ADAPTERS[1]!]) {
  Deno.test(`quic transport: ${adapter.name}: a stream that does not say its lane is given up`, async () => {
    await using pair = await connectedPair(adapter);
    const { client, server } = pair;
    const { frames } = takeMessages(server);
    // Half of a number of two bytes, both ways and one way.
    const silent = await client.openBidirectionalStream();
    await silent.write(Uint8Array.of(0x40));
    const oneWay = await client.openUnidirectionalStream();
    await oneWay.write(Uint8Array.of(0x40));
    const lane = await client.openBidirectionalStream();
    await lane.write(opening(1, "hi"));
    await until(() => frames.length === 1, "the frame of another stream");
    assert.equal(await within(silent.read(new Uint8Array(1))), null, "the server ends its half");
    for (const stream of [silent, oneWay]) {
      const writing = async (): Promise<void> => {
        for (;;) await stream.write(new Uint8Array(100));
      };
      await assert.rejects(within(writing()), { code: "stream_reset" });
    }
    await lane.write(Uint8Array.of(2, 0x79, 0x6f));
    await until(() => frames.length === 2, "the lane goes on");
    assert.deepEqual(frames, [[1, "hi"], [1, "yo"]]);
  });

  Deno.test(`quic transport: ${adapter.name}: a second stream for an open lane is refused`, async () => {
    await using pair = await connectedPair(adapter);
    const { client, server } = pair;
    const { frames, failures } = takeMessages(server);
    const first = await client.openBidirectionalStream();
    await first.write(opening(1, "hi"));
    await until(() => frames.length === 1, "the first stream");
    const second = await client.openBidirectionalStream();
    await second.write(opening(1, "no"));
    assert.equal(await within(second.read(new Uint8Array(1))), null);
    assert.match(failures.join(), /lane 1 is open already/);
    await first.write(Uint8Array.of(2, 0x79, 0x6f));
    await until(() => frames.length === 2, "the first stream goes on");
    assert.deepEqual(frames, [[1, "hi"], [1, "yo"]]);
  });
}

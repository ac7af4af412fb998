import assert from "node:assert/strict";
import { bytes, join, text, within } from "./adapters.ts";
import { Http3Peer } from "./h3_peer.ts";
import { serve } from "./setup.ts";
import { encodeFrame, FRAME, TlvReader } from "../../src/quic/h3/frames.ts";
import { decodeSection, encodeSection } from "../../src/quic/h3/qpack.ts";

const GET: [string, string][] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", "localhost"],
  [":path", "/"],
];

Deno.test("http3: an answer whose body fails is broken off where it failed, and reported", async () => {
  const fail = Promise.withResolvers<void>();
  const reported = Promise.withResolvers<string>();
  await using server = await serve({
    onRequest: () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(bytes("the first part")),
          pull: async (controller) => {
            await fail.promise;
            controller.error(new Error("no more"));
          },
        }, { highWaterMark: 0 }),
      ),
    onError: (error, { stage }) => reported.resolve(`${stage}: ${(error as Error).message}`),
  });
  const peer = await Http3Peer.connect(server.port);
  try {
    await peer.control();
    const { reader, writer } = await peer.bidirectional(encodeFrame(FRAME.HEADERS, encodeSection(GET)));
    await writer.close();
    const frames = new TlvReader(() => "collect");
    const statuses: unknown[] = [], body: Uint8Array[] = [];
    // Deno sends no reset: to the peer the stream ends, or fails.
    for (let ended = false; !ended;) {
      const { value, done } = await within(reader.read(new Uint8Array(4096))).catch(() => ({
        value: undefined,
        done: true,
      }));
      ended = done;
      for (const { type, payload } of frames.push(value ?? new Uint8Array(0))) {
        if (type === FRAME.HEADERS) statuses.push(new Map(decodeSection(payload)).get(":status"));
        else body.push(payload.slice());
      }
      if (body.length > 0) fail.resolve();
    }
    assert.deepEqual([statuses, text(join(body))], [["200"], "the first part"]);
    assert.equal(await within(reported.promise), "request: no more");
    // The connection goes on.
    const next = await peer.bidirectional(encodeFrame(FRAME.HEADERS, encodeSection(GET)));
    assert.ok((await within(next.reader.read(new Uint8Array(4096)))).value!.length > 0);
  } finally {
    peer.close();
  }
});

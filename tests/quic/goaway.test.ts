import assert from "node:assert/strict";
import { text, until, within } from "./adapters.ts";
import { Http3Peer } from "./h3_peer.ts";
import { serve } from "./setup.ts";
import { H3 } from "../../src/quic/h3/errors.ts";
import { encodeFrame, FRAME } from "../../src/quic/h3/frames.ts";
import { encodeSection, type FieldLine } from "../../src/quic/h3/qpack.ts";
import { readVarint } from "../../src/quic/h3/varint.ts";

const GET: FieldLine[] = [[":method", "GET"], [":scheme", "https"], [":authority", "localhost"], [
  ":path",
  "/",
]];

/** The id of the next GOAWAY. */
async function nextGoaway(frames: AsyncGenerator<{ type: number; payload: Uint8Array }>): Promise<number> {
  for (;;) {
    const { value, done } = await within(frames.next());
    assert.ok(!done, "the connection ended without a GOAWAY");
    if (value.type === FRAME.GOAWAY) return readVarint(value.payload);
  }
}

Deno.test("goaway: an idle connection is told twice and then closed without an error", async () => {
  await using s = await serve({ headerTimeout: 100 });
  const peer = await Http3Peer.connect(s.port);
  const frames = peer.controlFrames();
  const first = await nextGoaway(frames);
  assert.ok(first > 1e15 && first % 4 === 0, `the first one names no request: ${first}`);
  assert.equal(await nextGoaway(frames), 0, "the last one says that no request was processed");
  assert.equal(await peer.closeCode(), H3.NO_ERROR);
});

Deno.test("goaway: a request that crosses the first one is answered", async () => {
  await using s = await serve({ headerTimeout: 100, onRequest: () => new Response("here") });
  const peer = await Http3Peer.connect(s.port);
  const frames = peer.controlFrames();
  await nextGoaway(frames);
  assert.equal(text((await peer.request(GET)).body), "here");
  assert.equal(await nextGoaway(frames), 4, "the last one says which requests were processed");
  assert.equal(await peer.closeCode(), H3.NO_ERROR);
});

Deno.test("goaway: a request after the last one is not processed, and earlier ones are finished", async () => {
  const release = Promise.withResolvers<void>();
  let handled = 0;
  await using s = await serve({
    headerTimeout: 100,
    onRequest: async () => {
      handled++;
      await release.promise;
      return new Response("late");
    },
  });
  const peer = await Http3Peer.connect(s.port);
  const frames = peer.controlFrames();
  await nextGoaway(frames);
  const slow = peer.request(GET);
  await until(() => handled === 1, "the first request");
  await nextGoaway(frames);
  const refused = await peer.bidirectional(encodeFrame(FRAME.HEADERS, encodeSection(GET)));
  assert.equal(
    (await within(refused.reader.read(new Uint8Array(10)))).done,
    true,
    "it ends without an answer",
  );
  assert.equal(handled, 1);
  release.resolve();
  assert.equal(text((await within(slow)).body), "late");
  assert.equal(await peer.closeCode(), H3.NO_ERROR);
});

Deno.test("goaway: a draining listener sends it to connections without a session", async () => {
  await using s = await serve({ onRequest: () => new Response("x") });
  const [asking, session] = [await Http3Peer.connect(s.port), await Http3Peer.connect(s.port)];
  assert.equal((await asking.request(GET)).status, 200);
  assert.equal((await session.session(s.port)).status, 200);
  const there = await s.next();
  s.listener.drain();
  assert.equal(await nextGoaway(asking.controlFrames()) > 1e15, true);
  assert.equal(await asking.closeCode(), H3.NO_ERROR);
  assert.equal(there.isClosed, false);
  session.close();
});

Deno.test("goaway: a closing listener says which requests were processed", async () => {
  const s = await serve({ onRequest: () => new Response("x") });
  const peer = await Http3Peer.connect(s.port);
  assert.equal((await peer.request(GET)).status, 200);
  const frames = peer.controlFrames();
  const goaway = nextGoaway(frames);
  await s.listener.close();
  assert.equal(await goaway, 4);
  assert.equal(await peer.closeCode(), H3.NO_ERROR);
});

Deno.test("goaway: one of the peer must be whole and may not name a larger id than before", async () => {
  const cases: [Uint8Array[], number][] = [
    [[Uint8Array.of(8), Uint8Array.of(9)], H3.ID_ERROR],
    [[Uint8Array.of(0x40)], H3.FRAME_ERROR],
    [[new Uint8Array(9)], H3.FRAME_ERROR],
  ];
  await using s = await serve();
  for (const [payloads, code] of cases) {
    const peer = await Http3Peer.connect(s.port);
    const control = await peer.control();
    for (const payload of payloads) await control.write(encodeFrame(FRAME.GOAWAY, payload)).catch(() => {});
    assert.equal(await peer.closeCode(), code);
  }
});

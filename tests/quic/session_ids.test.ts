/** Sessions that are not on the first stream of their connection: their number is part of every stream and datagram. */

import assert from "node:assert/strict";
import { bytes, join, readExactly, text, within } from "./adapters.ts";
import { Http3Peer } from "./h3_peer.ts";
import { serve } from "./setup.ts";
import { FRAME, STREAM } from "../../src/quic/h3/frames.ts";
import { encodeVarints, readVarint, varintLength } from "../../src/quic/h3/varint.ts";

const HEAD: [string, string][] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", "localhost"],
  [":path", "/"],
];

/** A session that comes after so many requests. */
async function sessionAfter(requests: number) {
  const server = await serve({ onRequest: () => new Response("") });
  const peer = await Http3Peer.connect(server.port);
  await peer.control();
  for (let i = 0; i < requests; i++) await peer.request(HEAD);
  const { id, status } = await peer.session(server.port);
  assert.deepEqual([id, status], [4 * requests, 200]);
  const session = await server.next();
  return {
    peer,
    id,
    session,
    async [Symbol.asyncDispose]() {
      peer.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

for (const requests of [0, 1, 20, 64]) {
  Deno.test(`session: datagrams of one on stream ${4 * requests} fill a packet to its last byte`, async () => {
    await using s = await sessionAfter(requests);
    const { peer, session, id } = s;
    const head = encodeVarints(id / 4);
    // Both sides find out how large packets may be, and on this path they find the same.
    const ends = performance.now() + 10_000;
    while (session.maxDatagramSize + head.length !== peer.conn.maxDatagramSize) {
      assert.ok(performance.now() < ends, `${session.maxDatagramSize} of ${peer.conn.maxDatagramSize}`);
      await session.sendDatagram(new Uint8Array(100));
      await within(peer.conn.readDatagram());
      await peer.conn.sendDatagram(encodeVarints(1000));
    }
    const size = session.maxDatagramSize;
    await session.sendDatagram(new Uint8Array(size));
    const got = await within(peer.conn.readDatagram());
    assert.deepEqual([got.length, readVarint(got)], [size + head.length, id / 4]);
    const coming = session.datagrams[Symbol.asyncIterator]().next();
    await peer.conn.sendDatagram(join([encodeVarints(id / 4 + 1), bytes("other")]));
    await peer.conn.sendDatagram(join([head, bytes("ours")]));
    assert.equal(text((await within(coming)).value!), "ours");
  });
}

Deno.test("session: streams of one on a later stream name it, both ways", async () => {
  await using s = await sessionAfter(20);
  const { peer, session, id } = s;
  const taken = session.incomingBidirectionalStreams[Symbol.asyncIterator]().next();
  await peer.bidirectional(join([encodeVarints(FRAME.WEBTRANSPORT_STREAM, id), bytes("to us")]));
  const stream = (await within(taken)).value!;
  assert.equal(text(await readExactly(stream, 5)), "to us");
  const send = await session.openUnidirectionalStream();
  await send.write(bytes("to them"));
  for await (const stream of peer.conn.incomingUnidirectionalStreams) {
    const { value } = await within(stream.getReader().read());
    if (readVarint(value!) !== STREAM.WEBTRANSPORT) continue;
    const at = varintLength(value![0]!);
    assert.equal(readVarint(value!, at), id);
    break;
  }
});

/** Datagrams of browsers that differ in how they are sent. */

import assert from "node:assert/strict";
import { WebTransportConnection } from "../../src/quic/webtransport_connection.ts";

/** A connection over a browser's `WebTransport` whose datagrams are these. */
function over(datagrams: object): WebTransportConnection {
  const transport = {
    closed: new Promise(() => {}),
    datagrams: { maxDatagramSize: 1200, readable: new ReadableStream(), ...datagrams },
  };
  return new WebTransportConnection(transport as unknown as WebTransport, {
    url: new URL("https://a.example/"),
  });
}

/** A place for datagrams, and what was sent to it. */
function sink(): { writable: WritableStream<Uint8Array>; sent: number[][] } {
  const sent: number[][] = [];
  return { writable: new WritableStream({ write: (bytes) => void sent.push([...bytes]) }), sent };
}

Deno.test("datagrams: Safari's createWritable() is used where there is no writable, once for all", async () => {
  const { writable, sent } = sink();
  let made = 0;
  const datagrams = {
    // As a method: it needs its object.
    createWritable(this: { maxDatagramSize?: number }): WritableStream<Uint8Array> {
      assert.equal(this.maxDatagramSize, 1200);
      made++;
      return writable;
    },
  };
  const connection = over(datagrams);
  for (const byte of [1, 2, 3]) await connection.sendDatagram(Uint8Array.of(byte));
  assert.deepEqual([made, sent], [1, [[1], [2], [3]]]);
  assert.equal(connection.stats().datagramsSent, 3);
});

Deno.test("datagrams: a browser's writable is used where there is one", async () => {
  const { writable, sent } = sink();
  const connection = over({ writable, createWritable: () => assert.fail("not asked for") });
  await connection.sendDatagram(Uint8Array.of(9));
  assert.deepEqual(sent, [[9]]);
});

Deno.test("datagrams: a browser that has neither is told of as one without datagrams", async () => {
  const connection = over({});
  await assert.rejects(connection.sendDatagram(Uint8Array.of(1)), { code: "no_datagrams" });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { bytes, first, readExactly, testCertificate, text, within } from "./adapters.ts";
import { Http3Peer } from "./h3_peer.ts";
import { connect, listen } from "../../src/quic/mod.ts";

/** What a peer does with its bytes. */
const WAYS = [
  "bidirectional",
  "unidirectional",
  "control",
  "request",
  "connect",
  "capsule",
  "datagram",
  "encoder",
] as const;

const step = fc.record({
  way: fc.constantFrom(...WAYS),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    // Bytes that look like something: types we know, then noise.
    fc.tuple(
      fc.constantFrom([0x00], [0x01], [0x04], [0x40, 0x41, 0x00], [0x40, 0x54, 0x00], [0x02], [0x68, 0x43]),
      fc.uint8Array({ maxLength: 60 }),
    ).map(([type, noise]) => Uint8Array.of(...type, ...noise)),
  ),
  end: fc.boolean(),
});

async function attack(
  peer: Http3Peer,
  port: number,
  way: typeof WAYS[number],
  noise: Uint8Array,
  end: boolean,
) {
  if (way === "datagram") return await peer.conn.sendDatagram(noise.subarray(0, 1000));
  if (way === "unidirectional" || way === "encoder") {
    const writer = await peer.unidirectional(way === "encoder" ? Uint8Array.of(2, ...noise) : noise);
    return end ? await writer.close() : undefined;
  }
  if (way === "control") return await (await peer.control()).write(noise);
  if (way === "connect") return void await peer.session(port, [["x", String.fromCharCode(...noise)]]);
  if (way === "capsule") {
    const { writer } = await peer.session(port);
    return await writer.write(Uint8Array.of(0, 0x40 | (noise.length >> 8), noise.length & 0xff, ...noise));
  }
  const { writer } = await peer.bidirectional(way === "request" ? Uint8Array.of(1, ...noise) : noise);
  if (end) await writer.close();
}

Deno.test("fuzz: random bytes of some peers leave other connections and the process alive", async () => {
  const { cert, key, hash } = await testCertificate();
  const listener = listen({
    hostname: "127.0.0.1",
    cert,
    key,
    headerTimeout: 200,
    onRequest: () => new Response("x"),
  });
  const { port } = listener.address;
  const serving = (async () => {
    for await (const connection of listener.connections) {
      void (async () => {
        for await (const stream of connection.incomingBidirectionalStreams) {
          const buffer = await stream.read(new Uint8Array(1000)).catch(() => null);
          if (buffer !== null) await stream.write(buffer).catch(() => {});
        }
      })();
      void (async () => {
        for await (const _ of connection.incomingUnidirectionalStreams);
      })();
      void (async () => {
        for await (const _ of connection.datagrams);
      })();
    }
  })();
  const witnesses = [
    await connect(`quic://127.0.0.1:${port}`, { serverCertificateHashes: [hash], keepAliveInterval: 5000 }),
    await connect(`https://127.0.0.1:${port}/witness`, { serverCertificateHashes: [hash] }),
  ];
  const streams = await Promise.all(witnesses.map((witness) => witness.openBidirectionalStream()));
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        const peer = await within(Http3Peer.connect(port));
        for (const { way, bytes, end } of steps) {
          // The server may have closed the connection by now: that is one of the right answers.
          await within(attack(peer, port, way, bytes, end)).catch(() => {});
        }
        peer.close();
      }),
      { numRuns: 150 },
    );
    for (const stream of streams) {
      await stream.write(bytes("alive"));
      assert.equal(text(await within(readExactly(stream, 5))), "alive");
    }
  } finally {
    for (const witness of witnesses) witness.close();
    await listener.close();
    await within(serving);
  }
});

Deno.test("fuzz: an empty datagram does not end a process that serves Deno.upgradeWebTransport", async () => {
  const { cert, key } = await testCertificate();
  const listener = listen({ hostname: "127.0.0.1", cert, key, webtransport: "deno" });
  try {
    const peer = await Http3Peer.connect(listener.address.port);
    await peer.control();
    const asked = peer.session(listener.address.port);
    asked.catch(() => {});
    const session = await first(listener.connections);
    const got = session.datagrams[Symbol.asyncIterator]().next();
    await peer.conn.sendDatagram(Uint8Array.of(0));
    await peer.conn.sendDatagram(Uint8Array.of());
    await peer.conn.sendDatagram(Uint8Array.of(0, 65));
    assert.equal(text((await within(got)).value!), "A");
    await within(asked);
    peer.close();
    await within(session.closed);
  } finally {
    await listener.close();
  }
});

import assert from "node:assert/strict";
import { UdpProxy } from "../support/udp_proxy.ts";
import { bytes, first, readAll, readExactly, testCertificate, text, within } from "./adapters.ts";
import { connect, type Connection, createEndpoint, listen, type Listener } from "../../src/quic/mod.ts";

async function server(): Promise<Listener> {
  const { cert, key } = await testCertificate();
  return listen({ hostname: "127.0.0.1", cert, key, zeroRtt: true });
}

Deno.test("0-rtt: with a ticket a client sends before the handshake and the server can tell", async () => {
  const { hash } = await testCertificate();
  const listener = await server();
  const proxy = new UdpProxy({ target: listener.address });
  const endpoint = createEndpoint({ hostname: "127.0.0.1" });
  const options = { endpoint, zeroRtt: true, serverCertificateHashes: [hash] };
  try {
    const connections = listener.connections[Symbol.asyncIterator]();
    const earlier = await connect(`quic://127.0.0.1:${proxy.port}`, options);
    assert.equal(earlier.handshakeComplete, true, "there is no ticket yet");
    const stream = await earlier.openBidirectionalStream();
    await stream.write(bytes("x"));
    const taken: Connection = (await within(connections.next())).value!;
    // The ticket comes with the first bytes of the server.
    const accepted = await first(taken.incomingBidirectionalStreams);
    await accepted.write(bytes("y"));
    await readExactly(stream, 1);
    earlier.close();
    await within(taken.closed);

    // The server's packets are held up: everything the server sees before them is early.
    proxy.delayToClient = 300;
    const connection = await connect(`quic://127.0.0.1:${proxy.port}`, options);
    assert.equal(connection.handshakeComplete, false);
    const early = await connection.openBidirectionalStream();
    await early.write(bytes("early"));
    await early.end();
    const resumed: Connection = (await within(connections.next())).value!;
    const got = await within(readAll(await first(resumed.incomingBidirectionalStreams)));
    assert.equal(text(got), "early");
    assert.equal(resumed.handshakeComplete, false, "the server cannot know yet that this is no replay");
    assert.equal(connection.handshakeComplete, false);
    await within(Promise.all([connection.ready, resumed.ready]));
    assert.equal(connection.handshakeComplete, true);
    assert.equal(resumed.handshakeComplete, true);
    connection.close();
  } finally {
    await listener.close();
    await proxy.close();
    endpoint.close();
  }
});

Deno.test("0-rtt: rejected early data fails its streams and leaves the connection", async () => {
  const { hash } = await testCertificate();
  const first_ = await server();
  const proxy = new UdpProxy({ target: first_.address });
  const endpoint = createEndpoint({ hostname: "127.0.0.1" });
  const options = { endpoint, zeroRtt: true, serverCertificateHashes: [hash] };
  const { cert, key } = await testCertificate();
  try {
    const connections = first_.connections[Symbol.asyncIterator]();
    const earlier = await connect(`quic://127.0.0.1:${proxy.port}`, options);
    const taken: Connection = (await within(connections.next())).value!;
    const stream = await earlier.openBidirectionalStream();
    await stream.write(bytes("x"));
    const accepted = await first(taken.incomingBidirectionalStreams);
    await accepted.write(bytes("y"));
    await readExactly(stream, 1);
    earlier.close();
    await within(taken.closed);

    // A new listener does not know the tickets of the earlier one.
    first_.setCertificate(cert, key);
    const connection = await connect(`quic://127.0.0.1:${proxy.port}`, options);
    assert.equal(connection.handshakeComplete, false);
    const early = await connection.openBidirectionalStream();
    await early.write(bytes("lost")).catch(() => {});
    await within(connection.ready);
    await assert.rejects(within(early.read(new Uint8Array(10))));
    const again = await within(connection.openBidirectionalStream());
    await again.write(bytes("again"));
    const resumed: Connection = (await within(connections.next())).value!;
    assert.equal(
      text(await within(readExactly(await first(resumed.incomingBidirectionalStreams), 5))),
      "again",
    );
    connection.close();
  } finally {
    await first_.close();
    await proxy.close();
    endpoint.close();
  }
});

Deno.test("0-rtt: a listener takes none unless it is asked to", async () => {
  const { cert, key, hash } = await testCertificate();
  const listener = listen({ hostname: "127.0.0.1", cert, key });
  const proxy = new UdpProxy({ target: listener.address });
  const endpoint = createEndpoint({ hostname: "127.0.0.1" });
  const options = { endpoint, zeroRtt: true, serverCertificateHashes: [hash] };
  try {
    const connections = listener.connections[Symbol.asyncIterator]();
    const earlier = await connect(`quic://127.0.0.1:${proxy.port}`, options);
    const taken: Connection = (await within(connections.next())).value!;
    const stream = await earlier.openBidirectionalStream();
    await stream.write(bytes("x"));
    const accepted = await first(taken.incomingBidirectionalStreams);
    await accepted.write(bytes("y"));
    await readExactly(stream, 1);
    void earlier.close();
    await within(taken.closed);

    // The handshake takes a while, and early data waits for its end.
    proxy.delayToClient = 300;
    const connection = await connect(`quic://127.0.0.1:${proxy.port}`, options);
    assert.equal(connection.handshakeComplete, false, "the client has a ticket");
    const early = await connection.openBidirectionalStream();
    await early.write(bytes("early"));
    const resumed: Connection = (await within(connections.next())).value!;
    assert.equal(resumed.handshakeComplete, true, "it is handed out after the handshake");
    assert.equal(
      text(await within(readExactly(await first(resumed.incomingBidirectionalStreams), 5))),
      "early",
    );
    void connection.close();
  } finally {
    await listener.close();
    await proxy.close();
    endpoint.close();
  }
});

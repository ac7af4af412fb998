import assert from "node:assert/strict";
import { bytes, first, testCertificate, text, until, within } from "./adapters.ts";
import { serve } from "./setup.ts";
import { clientOf } from "../../src/quic/client_pool.ts";
import { connect, type Connection, createClient, createEndpoint, DialError } from "../../src/quic/mod.ts";
import { settle } from "../support/clock.ts";

Deno.test("client: a session that is refused rejects with its status", async () => {
  await using s = await serve({
    admit: ({ url }) => ({ accept: false, status: Number(url.pathname.slice(1)) }),
  });
  for (const status of [401, 403, 404, 503]) {
    await assert.rejects(connect(`${s.https}${status}`, s.trust), (error) => {
      assert.ok(error instanceof DialError);
      assert.deepEqual([error.code, error.status], ["refused", status]);
      return true;
    });
  }
});

Deno.test("client: a server that is no HTTP/3 server rejects the dial", async () => {
  const { cert, key, hash } = await testCertificate();
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const listener = endpoint.listen({ cert, key, alpnProtocols: ["h3"] });
  const taken = listener.accept();
  try {
    const dialled = connect(`https://127.0.0.1:${endpoint.addr.port}`, { serverCertificateHashes: [hash] });
    const conn = await taken;
    const stream = await conn.createUnidirectionalStream();
    // A control stream whose SETTINGS are empty: no WebTransport.
    await stream.getWriter().write(Uint8Array.of(0, 4, 0));
    await assert.rejects(within(dialled), { code: "refused", status: undefined });
    await conn.closed;
  } finally {
    endpoint.close();
  }
});

Deno.test("client: header fields reach the server", async () => {
  await using s = await serve();
  await connect(s.https, { ...s.trust, headers: { Authorization: "Bearer secret", "x-room": "7" } });
  const there = await s.next();
  assert.equal(there.headers.get("authorization"), "Bearer secret");
  assert.equal(there.headers.get("x-room"), "7");
});

Deno.test("client: header fields that HTTP/3 forbids are refused", async () => {
  await using s = await serve();
  for (const headers of [{ connection: "close" }, { "a b": "c" }, { a: "b\r\nc: d" }, { ":path": "/" }]) {
    await assert.rejects(connect(s.https, { ...s.trust, headers: { ...headers } }), TypeError);
  }
  assert.equal(s.listener.stats().connections, 0, "nothing was dialled");
});

Deno.test("client: connections share an endpoint, and both ends know where they are", async () => {
  await using s = await serve();
  const endpoint = createEndpoint({ hostname: "127.0.0.1" });
  try {
    const clients = [
      await connect(s.raw, { ...s.trust, endpoint }),
      await connect(s.https, { ...s.trust, endpoint }),
    ];
    for (const client of clients) {
      const there = await s.next();
      assert.deepEqual(client.localAddress, endpoint.address);
      assert.deepEqual(there.remoteAddress, endpoint.address);
      assert.deepEqual(client.remoteAddress, s.listener.address);
      assert.deepEqual(there.localAddress, s.listener.address);
    }
    assert.equal(new Set(clients.map(({ id }) => id)).size, 2);
  } finally {
    endpoint.close();
  }
});

Deno.test("client: an empty datagram of a server ends nothing", async () => {
  await using s = await serve();
  const client = await connect(s.https, s.trust);
  const there = await s.next();
  const datagrams = client.datagrams[Symbol.asyncIterator]();
  await there.sendDatagram(new Uint8Array(0));
  await there.sendDatagram(bytes("after"));
  assert.equal((await within(datagrams.next())).value?.length, 0);
  assert.equal(text((await within(datagrams.next())).value!), "after");
  assert.equal(client.isClosed, false);
});

Deno.test("client: a session that the server closes leaves no stream looking finished", async () => {
  await using s = await serve();
  const client = await connect(s.https, s.trust);
  const there = await s.next();
  const stream = await there.openUnidirectionalStream();
  await stream.write(bytes("half a mess"));
  const incoming = await first(client.incomingUnidirectionalStreams);
  assert.equal(text(await within(incoming.readExact(11))), "half a mess");
  const rest = incoming.read(new Uint8Array(10));
  rest.catch(() => {});
  void there.close(3001, "shutdown");
  await assert.rejects(within(rest), { code: "connection_ended" });
  assert.deepEqual(await within(client.closed), { code: 3001, reason: "shutdown", by: "remote" });
});

Deno.test("client: a dial that is called off is gone", async () => {
  // Bound and silent: nothing ever answers there. What the dial left behind would be a leak of this test.
  const silent = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr as Deno.NetAddr;
  try {
    for (const url of [`quic://127.0.0.1:${port}`, `https://127.0.0.1:${port}/`]) {
      await assert.rejects(within(connect(url, { timeout: 30 })), { code: "timeout" });
      const abort = new AbortController();
      const dialled = connect(url, { signal: abort.signal });
      abort.abort(new Error("changed my mind"));
      await assert.rejects(within(dialled), /changed my mind/);
      await assert.rejects(connect(url, { signal: abort.signal }), /changed my mind/);
    }
  } finally {
    silent.close();
  }
});

Deno.test("client: createClient counts dials, connections and what they carry", async () => {
  await using s = await serve({ admit: ({ url }) => ({ accept: url.pathname !== "/no", status: 403 }) });
  const client = createClient(s.trust);
  const raw = await client.connect(s.raw);
  const session = await client.connect(s.https);
  await assert.rejects(client.connect(`${s.https}no`), { code: "refused" });
  for (const connection of [raw, session]) {
    const stream = await connection.openUnidirectionalStream();
    await stream.write(new Uint8Array(10));
  }
  const expected = {
    dials: 3,
    failedDials: 1,
    connections: 2,
    bytesSent: 20,
    streamsOpened: 2,
    streamsAccepted: 0,
  };
  assert.deepEqual(client.stats(), { ...expected, bytesReceived: 0, connectionsActive: 2 });
  await raw.close();
  assert.deepEqual(client.stats(), { ...expected, bytesReceived: 0, connectionsActive: 1 });
  await client.close(7, "done");
  assert.equal(client.stats().connectionsActive, 0);
  assert.deepEqual(await within(session.closed), { code: 7, reason: "done", by: "local" });
  await assert.rejects(client.connect(s.raw), { code: "rejected" });
});

Deno.test("client: createClient dials no more than maxConnections", async () => {
  await using s = await serve();
  const client = createClient({ ...s.trust, maxConnections: 1 });
  const one = await client.connect(s.raw);
  await assert.rejects(client.connect(s.raw), { code: "rejected" });
  await one.close();
  await client.connect(s.raw);
  await client.close();
  assert.throws(() => createClient({ maxConnections: 0 }), RangeError);
});

for (const scheme of ["raw", "https"] as const) {
  Deno.test(`client: close resolves when the peer has been told, by ${scheme}`, async () => {
    await using s = await serve();
    const client = await connect(s[scheme], s.trust);
    const there = await s.next();
    assert.equal(client.isClosed, false);
    const closing = client.close(42, "bye");
    assert.equal(client.isClosed, true);
    await within(closing);
    assert.deepEqual(await within(there.closed), { code: 42, reason: "bye", by: "remote" });
    assert.equal(there.isClosed, true);
  });

  Deno.test(`client: the round trip is measured by a probe at both ends, by ${scheme}`, async () => {
    await using s = await serve();
    const client = await connect(s[scheme], s.trust);
    const there = await s.next();
    const handshake = client.stats().rtt;
    assert.ok(handshake !== undefined && handshake > 0, "at first it is that of the handshake");
    for (const side of [client, there]) {
      const rtt = await side.measureRtt();
      assert.ok(rtt !== undefined && rtt > 0);
      assert.equal(side.stats().rtt, rtt);
      assert.equal(side.stats().datagramsReceived, 0, "probes are not the application's");
    }
    const second = await client.measureRtt();
    await until(() => client.stats().rtt !== second, "smoothing");
  });
}

Deno.test("client: a peer that answers no probe has no round-trip time", async () => {
  await using s = await serve();
  const { hash } = await testCertificate();
  const conn = await Deno.connectQuic({
    hostname: "127.0.0.1",
    port: s.port,
    alpnProtocols: ["skein/1"],
    ...{ serverCertificateHashes: [{ algorithm: "sha-256", value: hash }] },
  });
  const there = await s.next();
  assert.equal(await there.measureRtt(50), undefined);
  conn.close({ closeCode: 0, reason: "" });
  await within(there.closed);
  assert.equal(await there.measureRtt(), undefined);
});

Deno.test("client: a connection that comes as its client is closed is closed, too, and waited for", async () => {
  const dialled = Promise.withResolvers<Connection>(), ended = Promise.withResolvers<void>();
  let closed = 0;
  const connection = {
    close() {
      closed++;
      return ended.promise;
    },
  } as unknown as Connection;
  const client = clientOf(() => dialled.promise, {});
  const dial = assert.rejects(client.connect("https://x"), { code: "rejected" });
  dialled.resolve(connection);
  let isOver = false;
  const over = client.close().then(() => isOver = true);
  await settle();
  assert.deepEqual([isOver, closed], [false, 1]);
  ended.resolve();
  await Promise.all([over, dial]);
  assert.equal(client.stats().connectionsActive, 0);
});

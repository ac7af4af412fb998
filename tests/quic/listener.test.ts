import assert from "node:assert/strict";
import { serve as server } from "./setup.ts";
import { makeCertificate } from "../support/certificate.ts";
import { bytes, first, readExactly, testCertificate, text, until, within } from "./adapters.ts";
import {
  type BidirectionalStream,
  connect,
  type Connection,
  type ConnectRequest,
  listen,
  type QuicError,
} from "../../src/quic/mod.ts";

/** A connection that says nothing after its handshake. */
async function idle(port: number, alpn: string): Promise<Deno.QuicConn> {
  const { hash } = await testCertificate();
  const trust = { serverCertificateHashes: [{ algorithm: "sha-256", value: hash }] };
  const conn = await Deno.connectQuic({ hostname: "127.0.0.1", port, alpnProtocols: [alpn], ...trust });
  conn.closed.catch(() => {});
  return conn;
}

async function works(client: Connection, server: Connection): Promise<void> {
  const stream = await client.openBidirectionalStream();
  await stream.write(bytes("ok?"));
  assert.equal(text(await within(readExactly(await first(server.incomingBidirectionalStreams), 3))), "ok?");
}

Deno.test("listener: one port takes raw QUIC and WebTransport by ALPN", async () => {
  await using s = await server();
  await connect(s.raw, s.trust);
  assert.equal((await s.next()).kind, "quic");
  await connect(s.https, s.trust);
  assert.equal((await s.next()).kind, "webtransport");
  await assert.rejects(connect(s.raw, { ...s.trust, alpn: "other/1" }), /no|known|protocol/);
  await until(() => s.errors.length > 0, "the report of a bad handshake");
  const own = await connect(s.raw, s.trust);
  await works(own, await s.next());
});

Deno.test("listener: a new certificate applies to new connections and live ones stay", async () => {
  await using s = await server();
  const before = await connect(s.raw, s.trust);
  const beforeThere = await s.next();
  const other = await makeCertificate();
  s.listener.setCertificate(other.cert, other.key);
  for (let i = 0; i < 4; i++) {
    const after = await connect(s.raw, { serverCertificateHashes: [other.hash] });
    await works(after, await s.next());
    await assert.rejects(connect(s.raw, s.trust));
  }
  await works(before, beforeThere);
});

Deno.test("listener: a bad certificate is refused and the good one stays", async () => {
  await using s = await server();
  assert.throws(() => s.listener.setCertificate("no certificate", "no key"));
  await connect(s.raw, s.trust);
  await s.next();
});

/** Opens streams until the peer's limit stops it. */
async function openAll(connection: Connection): Promise<BidirectionalStream[]> {
  for (const streams: BidirectionalStream[] = [];;) {
    try {
      const stream = await connection.openBidirectionalStream();
      await stream.write(Uint8Array.of(streams.length));
      streams.push(stream);
    } catch (error) {
      assert.equal((error as QuicError).code, "stream_limit");
      return streams;
    }
  }
}

Deno.test("listener: a session has all of maxBidirectionalStreams, its CONNECT request has one more", async () => {
  await using s = await server({ maxBidirectionalStreams: 3 });
  assert.equal((await openAll(await connect(s.https, s.trust))).length, 3);
});

Deno.test("listener: the application gets no more than maxBidirectionalStreams of a raw connection", async () => {
  await using s = await server({ maxBidirectionalStreams: 3 });
  const client = await connect(s.raw, s.trust);
  const there = await s.next();
  const opened = await openAll(client);
  assert.equal(opened.length, 4, "QUIC allows one more, for WebTransport");
  const incoming = there.incomingBidirectionalStreams[Symbol.asyncIterator]();
  const taken = [
    (await incoming.next()).value!,
    (await incoming.next()).value!,
    (await incoming.next()).value!,
  ];
  let fourth: BidirectionalStream | undefined;
  const waiting = incoming.next().then(({ value }) => {
    fourth = value;
  });
  await client.measureRtt(); // What could have come has come.
  assert.equal(fourth, undefined);
  taken[0]!.cancel();
  taken[0]!.abort();
  await within(waiting);
  assert.deepEqual([...await within(fourth!.readExact(1))], [3]);
});

Deno.test("listener: new limits apply to new connections and live ones stay", async () => {
  await using s = await server({ maxBidirectionalStreams: 3 });
  const before = await connect(s.https, s.trust);
  s.listener.update({ maxBidirectionalStreams: 7 });
  const after = await connect(s.https, s.trust);
  assert.deepEqual([(await openAll(before)).length, (await openAll(after)).length], [3, 7]);
  assert.throws(() => s.listener.update({ maxBidirectionalStreams: 0 }), RangeError);
});

Deno.test("listener: while draining it refuses new connections and keeps live ones", async () => {
  await using s = await server();
  const live = await connect(s.raw, s.trust);
  const there = await s.next();
  s.listener.drain();
  await assert.rejects(connect(s.raw, s.trust));
  await works(live, there);
  s.listener.resume();
  await works(await connect(s.raw, s.trust), await s.next());
});

Deno.test("listener: an address that is not admitted gets no connection", async () => {
  const seen: string[] = [];
  await using s = await server({
    admitAddress: ({ hostname }) => {
      seen.push(hostname);
      return false;
    },
  });
  // Depending on who is faster the dial fails, or the connection ends at once.
  await assert.rejects(async () => {
    const connection = await connect(s.raw, s.trust);
    const { by, reason } = await within(connection.closed);
    assert.notEqual(by, "local");
    throw new Error(`ended: ${reason}`);
  });
  assert.deepEqual(seen, ["127.0.0.1"]);
});

Deno.test("listener: admitConnection counts each connection in once and out once", async () => {
  const counted = new Set<number>();
  const kinds: string[] = [];
  await using s = await server({
    headerTimeout: 60_000,
    admitConnection: ({ port }, kind) => {
      counted.add(port);
      kinds.push(kind);
      return { accept: true, ended: () => assert.ok(counted.delete(port), "counted out once") };
    },
  });
  const { port } = s.listener.address;
  // One that never asks for anything, one that opens no stream, a session of each kind.
  const silent = [await idle(port, "h3"), await idle(port, "skein/1")];
  const raw = await connect(s.raw, s.trust);
  const session = await connect(s.https, s.trust);
  await until(() => counted.size === 4, "four connections");
  assert.deepEqual(kinds.toSorted(), ["quic", "quic", "webtransport", "webtransport"]);
  for (const conn of silent) conn.close({ closeCode: 0, reason: "" });
  await until(() => counted.size === 2, "two of them are gone");
  raw.close();
  session.close();
  await until(() => counted.size === 0, "all are gone");
});

Deno.test("listener: a connection that is not admitted is closed with its code before anything is read", async () => {
  const requests: string[] = [];
  await using s = await server({
    admitConnection: () => ({ accept: false, code: 3014, reason: "too many connections" }),
    onRequest: (request) => {
      requests.push(request.url);
      return new Response("here");
    },
  });
  for (const alpn of ["h3", "skein/1"]) {
    const conn = await idle(s.listener.address.port, alpn);
    assert.deepEqual({ ...await within(conn.closed) }, { closeCode: 3014, reason: "too many connections" });
  }
  assert.deepEqual(requests, []);
});

// Deno's client keeps what it had opened for a refused session until the connection ends.
Deno.test("listener: admit sees path, query and peer", {
  sanitizeResources: false,
}, async () => {
  const seen: ConnectRequest[] = [];
  await using s = await server({
    admit: (request) => {
      seen.push(request);
      return request.url.searchParams.get("key") === "right"
        ? { accept: true }
        : { accept: false, status: 403 };
    },
  });
  await assert.rejects(connect(`${s.https}connection/webtransport?key=wrong`, s.trust));
  const client = await connect(`${s.https}connection/webtransport?key=right`, s.trust);
  const there = await s.next();
  await works(client, there);
  assert.equal(there.url?.searchParams.get("key"), "right");
  assert.deepEqual(seen.map(({ url }) => url.pathname), [
    "/connection/webtransport",
    "/connection/webtransport",
  ]);
  assert.equal(seen[0]!.remoteAddress.hostname, "127.0.0.1");
});

Deno.test("listener: bad options are named", async () => {
  const { cert, key } = await testCertificate();
  assert.throws(() => listen({ cert, key, port: 70_000 }), /port must be .* not 70000/);
  assert.throws(() => listen({ cert, key, maxIdleTimeout: 0 }), /maxIdleTimeout/);
  assert.throws(() => listen({ cert, key, alpn: ["h3"] }), /h3/);
  assert.throws(() => listen({ cert: "", key: "" }));
});

// There is no way to call off a dial: the runtime goes on with it until it dies.
Deno.test("dial: gives up after its timeout and when its signal aborts", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  // Bound and silent: nothing ever answers there.
  const silent = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr as Deno.NetAddr;
  try {
    for (const url of [`quic://127.0.0.1:${port}`, `https://127.0.0.1:${port}/`]) {
      const options = { maxIdleTimeout: 500, serverCertificateHashes: [new Uint8Array(32)] };
      await assert.rejects(within(connect(url, { ...options, timeout: 50 })), { code: "timeout" });
      const reason = new Error("changed my mind");
      await assert.rejects(within(connect(url, { ...options, signal: AbortSignal.abort(reason) })), reason);
    }
    const abort = new AbortController();
    const dialled = connect(`quic://127.0.0.1:${port}`, { maxIdleTimeout: 500, signal: abort.signal });
    abort.abort(new Error("stop"));
    await assert.rejects(within(dialled), /stop/);
  } finally {
    silent.close();
  }
  await assert.rejects(connect("http://127.0.0.1"), TypeError);
  await assert.rejects(connect("quic://127.0.0.1"), TypeError);
});

Deno.test("listener: on all addresses it shows IPv4 peers by their plain address", async () => {
  await using s = await server({ hostname: "::" });
  await connect(s.raw, s.trust);
  assert.equal((await s.next()).remoteAddress?.hostname, "127.0.0.1");
  await connect(s.raw.replace("127.0.0.1", "[::1]"), s.trust);
  assert.equal((await s.next()).remoteAddress?.hostname, "::1");
});

Deno.test("listener: once it is closed it does not look for connections any more", async () => {
  const { prototype } = (Deno as unknown as { QuicListener: { prototype: Deno.QuicListener } }).QuicListener;
  const { incoming } = prototype;
  let looking = 0;
  prototype.incoming = async function () {
    looking++;
    return await incoming.call(this).finally(() => looking--);
  };
  try {
    const s = await server();
    const { cert, key } = await testCertificate();
    s.listener.setCertificate(cert, key);
    assert.equal(looking, 2);
    await s.listener.close();
    assert.equal(looking, 0);
  } finally {
    prototype.incoming = incoming;
  }
});

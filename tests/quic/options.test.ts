/** Options of `listen` and `connect`, each with its effect on the wire or on the application. */

import assert from "node:assert/strict";
import { UdpProxy } from "../support/udp_proxy.ts";
import { until, within } from "./adapters.ts";
import { Http3Peer } from "./h3_peer.ts";
import { serve, type TestServer } from "./setup.ts";
import {
  type BidirectionalStream,
  connect,
  type Connection,
  type ConnectOptions,
  type ListenOptions,
  type SendStream,
} from "../../src/quic/mod.ts";

/** Longer than any test: packets held so long never arrive. */
const NEVER = 3_600_000;

interface Through extends AsyncDisposable {
  readonly server: TestServer;
  readonly proxy: UdpProxy;
  readonly client: Connection;
  readonly there: Connection;
}

/** A raw connection through a proxy. */
async function through(listening: Partial<ListenOptions>, dialling: ConnectOptions = {}): Promise<Through> {
  const server = await serve(listening);
  const proxy = new UdpProxy({ target: server.listener.address });
  const client = await within(connect(`quic://127.0.0.1:${proxy.port}`, { ...server.trust, ...dialling }));
  return {
    server,
    proxy,
    client,
    there: await server.next(),
    async [Symbol.asyncDispose]() {
      void client.close();
      await server[Symbol.asyncDispose]();
      await proxy.close();
    },
  };
}

Deno.test("options: keepAliveInterval of a listener sends packets on an idle connection", async () => {
  await using t = await through({ keepAliveInterval: 30 });
  const before = t.proxy.counters.toClient;
  await until(() => t.proxy.counters.toClient > before + 10, "packets from the server");
});

Deno.test("options: keepAliveInterval of a client sends packets on an idle connection", async () => {
  await using t = await through({}, { keepAliveInterval: 30 });
  const before = t.proxy.counters.toServer;
  await until(() => t.proxy.counters.toServer > before + 10, "packets from the client");
});

Deno.test("options: keep-alive packets outlive maxIdleTimeout", async () => {
  await using t = await through({ maxIdleTimeout: 300, keepAliveInterval: 50 });
  const before = t.proxy.counters.toClient;
  await until(() => t.proxy.counters.toClient > before + 20, "a second of packets");
  assert.equal(t.there.isClosed, false);
});

Deno.test("options: maxIdleTimeout of a listener ends a connection without packets", async () => {
  await using t = await through({ maxIdleTimeout: 200 });
  assert.equal((await within(t.there.closed)).by, "timeout");
});

Deno.test("options: maxIdleTimeout of a client ends a connection without packets", async () => {
  await using t = await through({}, { maxIdleTimeout: 200 });
  assert.equal((await within(t.client.closed)).by, "timeout");
});

/** Packets that a sender sends before it hears of any: its first congestion window, and some probes. */
async function firstWindow(
  sender: Connection,
  proxy: UdpProxy,
  direction: "toClient" | "toServer",
): Promise<number> {
  const stream = await sender.openUnidirectionalStream();
  await stream.write(Uint8Array.of(1));
  const back = direction === "toClient" ? "delayToServer" : "delayToClient";
  proxy[back] = NEVER; // Acknowledgements do not arrive any more.
  const before = proxy.counters[direction];
  await within(stream.write(new Uint8Array(1_000_000)));
  // The window has left when no more than a probe comes within a tenth of a second.
  for (let sent = 0;;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = proxy.counters[direction] - before;
    if (now > 0 && now - sent <= 4) return now;
    sent = now;
  }
}

Deno.test("options: congestionControl decides the first window of a listener's connections", async () => {
  await using cubic = await through({ congestionControl: "throughput" });
  await using bbr = await through({ congestionControl: "low-latency" });
  const narrow = await firstWindow(cubic.there, cubic.proxy, "toClient");
  const wide = await firstWindow(bbr.there, bbr.proxy, "toClient");
  // RFC 6928's ten packets against BBR's two hundred.
  assert.ok(narrow < 40 && wide > 80, `${narrow} and ${wide} packets`);
});

Deno.test("options: congestionControl decides the first window of a client's connections", async () => {
  await using cubic = await through({}, { congestionControl: "throughput" });
  await using bbr = await through({}, { congestionControl: "low-latency" });
  const narrow = await firstWindow(cubic.client, cubic.proxy, "toServer");
  const wide = await firstWindow(bbr.client, bbr.proxy, "toServer");
  assert.ok(narrow < 40 && wide > 80, `${narrow} and ${wide} packets`);
});

Deno.test("options: alpn names the protocols that raw QUIC is taken with", async () => {
  await using s = await serve({ alpn: ["one/1", "two/1"] });
  for (const alpn of ["one/1", "two/1"]) await connect(s.raw, { ...s.trust, alpn });
  await assert.rejects(connect(s.raw, s.trust), { code: "dial_failed" });
  s.listener.update({ alpn: ["three/1"] });
  await connect(s.raw, { ...s.trust, alpn: "three/1" });
  await assert.rejects(connect(s.raw, { ...s.trust, alpn: "one/1" }), { code: "dial_failed" });
});

/** How many streams `opener` can have open at once. */
async function limitOf<S extends BidirectionalStream | SendStream>(open: () => Promise<S>): Promise<number> {
  const kept: S[] = [];
  for (;;) {
    try {
      const stream = await open();
      await stream.write(Uint8Array.of(1));
      kept.push(stream);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "stream_limit");
      return kept.length;
    }
  }
}

for (const scheme of ["raw", "https"] as const) {
  Deno.test(`options: a client's stream limits hold for the server, by ${scheme}`, async () => {
    await using s = await serve();
    await connect(s[scheme], { ...s.trust, maxBidirectionalStreams: 4, maxUnidirectionalStreams: 6 });
    const there = await s.next();
    assert.equal(await limitOf(() => there.openBidirectionalStream()), 4);
    // HTTP/3 may have three streams for itself, of which our layer opens one.
    assert.equal(await limitOf(() => there.openUnidirectionalStream()), scheme === "raw" ? 6 : 6 + 2);
  });
}

Deno.test("options: maxUnidirectionalStreams of a session leaves out the streams of HTTP/3", async () => {
  await using s = await serve({ maxUnidirectionalStreams: 5 });
  const client = await connect(s.https, s.trust);
  await s.next();
  // Our client opens a control stream and none for QPACK, so two more are left to it.
  assert.equal(await limitOf(() => client.openUnidirectionalStream()), 7);
});

Deno.test("options: maxConnections refuses what is above it until one ends", async () => {
  await using s = await serve({ maxConnections: 2 });
  const one = await connect(s.raw, s.trust);
  await connect(s.https, s.trust);
  await s.next();
  await s.next();
  // The handshake is done before the server decides: the end comes a moment later.
  const refused = await connect(s.raw, s.trust);
  assert.equal((await within(refused.closed)).reason, "too many connections");
  await assert.rejects(connect(s.https, s.trust), { code: "dial_failed" });
  assert.equal(s.listener.stats().refused, 2);
  await one.close();
  await until(() => s.listener.stats().connectionsActive === 1, "one to be gone");
  const again = await connect(s.raw, s.trust);
  assert.equal((await s.next()).isClosed, false);
  assert.equal(again.isClosed, false);
});

Deno.test("options: headerTimeout ends a session's stream that brings no header", async () => {
  await using s = await serve({ headerTimeout: 200 });
  await using patient = await serve();
  /** Ends with the name, once a stream without a header has ended. */
  const silence = async (name: string, port: number) => {
    const peer = await Http3Peer.connect(port);
    await peer.session(port);
    const silent = await peer.bidirectional(Uint8Array.of(0x40));
    const ended = silent.reader.read(new Uint8Array(1)).then(
      ({ done }) => [name, done],
      () => [name, "lost"],
    );
    return { ended, peer };
  };
  // The older one waits for the default of five seconds.
  const older = await silence("default", patient.port), newer = await silence("short", s.port);
  assert.deepEqual(await within(Promise.race([older.ended, newer.ended])), ["short", true]);
  older.peer.close();
  newer.peer.close();
  await older.ended;
});

Deno.test("options: without an address a listener takes IPv4 and IPv6", async () => {
  await using s = await serve({ hostname: undefined as unknown as string });
  await connect(s.raw, s.trust);
  await connect(s.raw.replace("127.0.0.1", "[::1]"), s.trust);
  assert.deepEqual([(await s.next()).remoteAddress?.hostname, (await s.next()).remoteAddress?.hostname], [
    "127.0.0.1",
    "::1",
  ]);
});

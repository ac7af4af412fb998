/** How connections begin and stay: certificates, keep-alives, and messages that reach their handlers with who sent them. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { clientRow, type ClientType } from "../../src/protocol/mod.ts";
import { connect, QuicError } from "../../src/quic/mod.ts";
import { makeCertificate } from "../support/certificate.ts";
import { KINDS, type TestClient } from "../support/client.ts";
import type { TestService } from "../support/service.ts";
import { UdpProxy } from "../support/udp_proxy.ts";
import { Network, OPEN, QUIC_KINDS, type QuicKind, until, withService } from "./support.ts";

/** Milliseconds between two keep-alives of a client of this service. */
const INTERVAL = 7000;

/** Whether a TLS client that trusts these authorities takes the certificate of a port. */
async function handshakes(port: number, caCerts: string[], hostname: string): Promise<boolean> {
  try {
    const connection = await Deno.connectTls({ hostname, port, caCerts });
    try {
      await connection.handshake();
      return true;
    } finally {
      connection.close();
    }
  } catch {
    return false;
  }
}

/** Validates: whatever else a client trusts, a certificate that it does not is refused, and nothing of the dial is left. */
Deno.test("Feature: quic-transport, Property 1: handshake (a certificate that is not trusted is refused)", async () => {
  const [own, other, tls] = await Promise.all([{}, {}, { names: ["localhost"] }].map(makeCertificate));
  const quic = { quic: { cert: own!.cert, key: own!.key } };
  await withService(async (service) => {
    const token = await service.token("ann");
    const trust = fc.oneof(
      fc.record({ how: fc.constant("right" as const) }),
      fc.record({ how: fc.constant("one bit" as const), at: fc.nat(255) }),
      fc.record({ how: fc.constant("another" as const) }),
      fc.record({
        how: fc.constant("any hash" as const),
        hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      }),
      fc.record({ how: fc.constant("authorities" as const), another: fc.boolean() }),
    );
    let right = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...QUIC_KINDS), trust, async (kind, trust) => {
        const hash = own!.hash.slice();
        if (trust.how === "one bit") hash[trust.at >> 3]! ^= 1 << (trust.at & 7);
        if (trust.how === "another") hash.set(other!.hash);
        if (trust.how === "any hash") hash.set(trust.hash);
        if (trust.how === "right") {
          right++;
          await using client = await service.dial(kind, { certificateHash: hash });
          return void await client.authenticate(token);
        }
        const url = kind === "quic" ? `quic://127.0.0.1:${service.quicPort}` : service.webtransportUrl;
        const dialling = connect(url, {
          ...(trust.how !== "authorities" ? { serverCertificateHashes: [hash] } : {}),
          ...(trust.how === "authorities" && trust.another ? { caCerts: [other!.cert] } : {}),
        });
        await assert.rejects(dialling, (error: QuicError) => error.code === "dial_failed");
      }),
      { numRuns: 150 },
    );
    await until("what came through has ended", async () => (await service.stats()).connections === 0);
    const { transports } = await service.stats();
    assert.ok(right > 0);
    assert.equal(transports.quic.total + transports.webtransport.total, right);
    // The same for TLS under HTTP and WebSocket.
    await service.reconfigure({ ...OPEN, ...quic, http: { tls: { cert: tls!.cert, key: tls!.key } } });
    const { port } = service.service.addresses.http;
    assert.equal(await handshakes(port, [tls!.cert], "localhost"), true);
    assert.equal(await handshakes(port, [tls!.cert], "127.0.0.1"), false, "another name");
    assert.equal(await handshakes(port, [other!.cert], "localhost"), false, "another authority");
    assert.equal(await handshakes(port, [], "localhost"), false, "only the runtime's authorities");
  }, quic);
});

/** What of a client is on the wire, and what the service has of it. */
async function stateOf(service: TestService, network: Network, sessionId: string | undefined) {
  const { connectionList } = await service.stats();
  const own = connectionList.items.filter((item: Record<string, unknown>) => item.sessionId === sessionId);
  assert.equal(own.length, 1);
  return { ...own[0], packets: network.udp.counters.toServer, bytes: network.tcp.bytesToServer };
}

/**
 * Validates: a client that says nothing sends a keep-alive for each interval, which is seen on the wire and is the
 * activity that the service knows of; its connection stays the one it was.
 */
Deno.test("Feature: quic-transport, Property 3: connection state and keep-alive (on the wire)", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<QuicKind>(...QUIC_KINDS),
        fc.boolean(),
        fc.array(fc.record({ beats: fc.integer({ min: 0, max: 3 }), speaks: fc.boolean() }), {
          minLength: 1,
          maxLength: 4,
        }),
        async (kind, enableQuic, steps) => {
          await using network = new Network(service, kind);
          const client = network.client(token, { enableQuic, probing: false, quality: false });
          await client.connect();
          const { sessionId } = client.manager;
          await until("the first pings are answered", () => network.unanswered === 0);
          for (const { beats, speaks } of steps) {
            for (let beat = 0; beat < beats; beat++) {
              const before = await stateOf(service, network, sessionId);
              await network.clock.advance(INTERVAL);
              await until("the keep-alive is answered", () => network.unanswered === 0);
              const after = await stateOf(service, network, sessionId);
              for (const same of ["connectionId", "connectedAt", "remoteAddress", "transport"]) {
                assert.equal(after[same], before[same], same);
              }
              assert.ok(after.messagesIn > before.messagesIn);
              assert.ok(after.lastActivity >= before.lastActivity);
              const wire = enableQuic ? "packets" : "bytes";
              assert.ok(after[wire] > before[wire], `nothing was sent in ${INTERVAL} ms`);
            }
            if (speaks) await client.channel("chat:a").publish("x");
          }
          assert.equal(client.manager.getTransportType(), enableQuic ? kind : "websocket");
          assert.equal(network.dials.length, 1);
        },
      ),
      { numRuns: 100 },
    );
  }));

Deno.test("keep-alive: packets of the service are seen on the wire and outlive the idle timeout of a silent client", () =>
  withService(async (service) => {
    const idle = 2000;
    await Promise.all(QUIC_KINDS.map(async (kind) => {
      const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
      const client = await service.dial(kind, { quicPort: proxy.port });
      try {
        await client.authenticate(await service.token("ann"));
        const [messages, packets, began] = [
          client.messages.length,
          proxy.counters.toClient,
          performance.now(),
        ];
        await until("twice the idle timeout is over", () => performance.now() - began > 2 * idle);
        assert.ok(proxy.counters.toClient > packets);
        assert.equal(client.messages.length, messages);
        assert.equal((await client.ask("ping", {})).type, "pong");
      } finally {
        await client.close();
        await proxy.close();
      }
    }));
  }, {
    quic: { keepAliveInterval: "1s", maxIdleTimeout: "2s" },
    session: { ...OPEN.session, heartbeat: { interval: "1900ms", timeout: "60s" } },
  }));

/** Messages, a lane where each may go, and the error that may be its answer. */
const MESSAGES: readonly {
  type: ClientType;
  payload: Record<string, unknown>;
  lane: number;
  refusal?: string;
}[] = [
  { type: "ping", payload: {}, lane: 0 },
  { type: "client_list", payload: {}, lane: 0 },
  { type: "presence", payload: { channel: "chat:a" }, lane: 1 },
  { type: "history", payload: { channel: "chat:a" }, lane: 1 },
  { type: "chat_message", payload: { channel: "chat:a", text: "x" }, lane: 1 },
  { type: "subscribe", payload: { channel: "chat:a" }, lane: 1 },
  { type: "unsubscribe", payload: { channel: "chat:a" }, lane: 1, refusal: "not_subscribed" },
  { type: "unread", payload: { channels: ["chat:a"] }, lane: 0 },
  { type: "doc_open", payload: { channel: "doc:a" }, lane: 300, refusal: "not_available" },
  { type: "doc_close", payload: { channel: "doc:a" }, lane: 300, refusal: "not_subscribed" },
  { type: "file_link", payload: { fileId: "none" }, lane: 100, refusal: "unknown_file" },
];

/**
 * Validates: of messages of many types from several users on all transports at once, each reaches the handler of its type
 * with the client that sent it: the answer has that type, and comes back to that client alone, where it asked.
 */
Deno.test("Feature: quic-transport, Property 4: routing (with the contexts of real connections)", () =>
  withService(async (service) => {
    const clients: TestClient[] = [];
    for (const kind of KINDS) {
      for (const user of ["ann", "bob"]) {
        const client = await service.connect(kind, `${user}-${kind}`);
        for (const lane of [1, 100, 300]) await client.openLane(lane);
        clients.push(client);
      }
    }
    const asked = new Map<string, TestClient>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            client: fc.nat(clients.length - 1),
            message: fc.constantFrom(...MESSAGES),
            control: fc.boolean(),
          }),
          { minLength: 1, maxLength: 20 },
        ),
        async (steps) => {
          await Promise.all(steps.map(async ({ client: at, message, control }) => {
            const client = clients[at]!;
            const lane = control ? 0 : message.lane, id = crypto.randomUUID();
            asked.set(id, client);
            const answer = await client.request(message.type, message.payload, { lane, id });
            const right = answer.type === clientRow(message.type).answer ||
              (answer.type === "error" && answer.payload.name === message.refusal);
            assert.ok(right, `${message.type} was answered with ${JSON.stringify(answer)}`);
            assert.equal(answer.lane, client.kind === "websocket" ? 0 : lane);
            if (message.type !== "chat_message") return;
            const { payload } = await client.ask("history", { channel: "chat:a", limit: 200, reverse: true });
            const own = payload.messages.find((kept: { id: string }) => kept.id === id);
            const { userId } = client.messages.find(({ type }) => type === "auth_response")!.payload;
            assert.equal(own.from, userId);
          }));
        },
      ),
      { numRuns: 100 },
    );
    for (const client of clients) {
      for (const { re } of client.messages) {
        if (re !== undefined && asked.has(re)) assert.equal(asked.get(re), client);
      }
      await client.close();
    }
  }));

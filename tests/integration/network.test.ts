/** The network under the service: addresses that change, what is on the wire, what is switched off. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { createTokenSigner } from "../../src/auth/mod.ts";
import { KINDS, type Received } from "../support/client.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { UdpProxy } from "../support/udp_proxy.ts";

const OPEN = { session: { perIp: { connections: 10_000, rate: 100_000, burst: 100_000 } } };

async function withService(run: (service: TestService) => Promise<void>, input = {}): Promise<void> {
  const service = await startTestService({ ...OPEN, ...input });
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

async function until(what: string, test: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!await test()) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Validates: the client's address changes at random moments in traffic; the session goes on, and each message is
 * acknowledged once and delivered once, in order.
 */
Deno.test("Feature: quic-transport, Property 12: migration keeps state, order and data (of a session on the service)", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("quic" as const, "webtransport" as const),
        fc.array(fc.boolean(), { minLength: 5, maxLength: 25 }),
        fc.uuid(),
        async (kind, moves, room) => {
          const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
          try {
            await using client = await service.dial(kind, { quicPort: proxy.port });
            const { sessionId } = (await client.authenticate(token)).payload;
            const channel = `chat:${room}`;
            await client.openLane(4);
            await client.ask("subscribe", { channel }, { lane: 4 });
            const acks: Promise<Received>[] = [];
            for (const [n, move] of moves.entries()) {
              if (move) proxy.rebind();
              acks.push(client.ask("chat_message", { channel, data: n }, { lane: 4 }));
              if (n % 3 === 0) await acks.at(-1);
            }
            const offsets = (await Promise.all(acks)).map(({ payload }) => payload.offset);
            assert.deepEqual(offsets, moves.map((_, n) => n + 1));
            const deliveries = client.messages.filter(({ type }) => type === "chat_message");
            assert.deepEqual(deliveries.map(({ payload }) => payload.data), moves.map((_, n) => n));
            const again = await client.ask("auth_refresh", { token });
            assert.equal(again.payload.sessionId, sessionId);
          } finally {
            await proxy.close();
          }
        },
      ),
      { numRuns: 100 },
    );
  }));

Deno.test("network: a migration is seen, counted and logged", () =>
  withService(async (service) => {
    const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
    try {
      await using client = await service.dial("quic", { quicPort: proxy.port });
      await client.authenticate(await service.token("ann"));
      proxy.rebind();
      await client.ask("ping", {});
      await until("the migration is counted", async () =>
        (await service.stats()).transports.quic.migrations === 1);
      const line = service.lines.find(({ event }) =>
        event === "connection migrated"
      );
      assert.match(String(line?.to), new RegExp(`:${proxy.outgoingPorts[0]}$`));
    } finally {
      await proxy.close();
    }
  }));

/**
 * Validates: whatever is said, no run of its bytes, nor the token's, is on the wire; the protocol negotiated is QUIC
 * version 1, which has no TLS below 1.3 (RFC 9001 §4.2).
 */
Deno.test("Feature: quic-transport, Property 19: nothing below TLS 1.3 and nothing in clear on QUIC", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort }, capture: 2048 });
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom("quic" as const, "webtransport" as const),
          fc.stringMatching(/^[a-zA-Z0-9]{24,60}$/),
          async (kind, secret) => {
            proxy.captured.length = 0;
            await using client = await service.dial(kind, { quicPort: proxy.port });
            await client.authenticate(token);
            await client.ask("chat_message", { channel: "chat:secret", text: secret });
            assert.ok(proxy.captured.length > 4);
            for (const { head } of proxy.captured) {
              if (head[0]! & 0x80) {
                assert.deepEqual([...head.slice(1, 5)], [0, 0, 0, 1], "a long header is of QUIC version 1");
              }
              const text = new TextDecoder("latin1").decode(head);
              assert.ok(
                !text.includes(secret) && !text.includes(token.slice(0, 24)) && !text.includes("chat:secret"),
              );
            }
          },
        ),
        { numRuns: 100 },
      );
    } finally {
      await proxy.close();
    }
  }));

/**
 * Validates: switched off, every QUIC client is told 3006 and none comes in, while WebSocket goes on; switched on, they
 * come in again.
 */
Deno.test("Feature: quic-transport, Property 22: QUIC off", () =>
  withService(async (service) => {
    const web = await service.connect("websocket", "web");
    let on = true;
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.constantFrom("quic" as const, "webtransport" as const),
        async (enabled, kind) => {
          const before = on ? await service.connect(kind, "ann") : undefined;
          await service.reconfigure({ ...OPEN, quic: { enabled } });
          on = enabled;
          assert.equal(service.service.addresses.quic === undefined, !enabled);
          const client = await (await fetch(`${service.url}/client.json`)).json();
          assert.equal(client.quic?.enabled ?? client.quicUrl !== undefined, enabled);
          if (before !== undefined && !enabled) {
            assert.equal((await before.next("close")).payload.code, 3006);
          }
          if (before !== undefined && enabled) {
            assert.equal((await before.ask("ping", {})).type, "pong");
          }
          await before?.close();
          if (!enabled) {
            await assert.rejects(service.dial(kind, { quicPort: service.quicPort, timeout: 150 }));
          }
          assert.equal((await web.ask("ping", {})).type, "pong");
        },
      ),
      { numRuns: 100, endOnFailure: true },
    );
    await web.close();
  }));

/** Validates: any good configuration holds for the next connection, on every transport; a bad one changes nothing. */
Deno.test("Feature: quic-transport, Property 23: live configuration (a good one counts at once, a bad one changes nothing)", () =>
  withService(async (service) => {
    const change = fc.oneof(
      fc.record({
        good: fc.constant(true),
        maxMessage: fc.integer({ min: 1024, max: 100_000 }),
        maxChannels: fc.integer({ min: 1, max: 500 }),
      }),
      fc.record({
        good: fc.constant(false),
        maxMessage: fc.constantFrom(0, -1, 10),
        maxChannels: fc.integer({ min: 1, max: 500 }),
      }),
    );
    let limits = { maxMessage: 65536, maxChannels: 128 };
    await fc.assert(
      fc.asyncProperty(change, fc.constantFrom(...KINDS), async ({ good, ...session }, kind) => {
        await using earlier = await service.connect(kind, "ann");
        await service.reconfigure({ session: { ...OPEN.session, ...session } });
        if (good) limits = session;
        const { lastReload } = await service.stats();
        assert.equal(lastReload.ok, good);
        await using client = await service.dial(kind);
        const answer = await client.authenticate(await service.token("bob"));
        assert.equal(answer.payload.limits.maxMessage, limits.maxMessage);
        assert.equal(answer.payload.limits.maxChannels, limits.maxChannels);
        assert.equal((await earlier.ask("ping", {})).type, "pong");
      }),
      { numRuns: 100 },
    );
  }));

Deno.test("network: a new QUIC port is taken at once, and connections on the old one go on", () =>
  withService(async (service) => {
    const old = await service.connect("quic", "ann");
    const before = service.service.addresses.quic!.port;
    const probe = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const { port } = probe.addr as Deno.NetAddr;
    probe.close();
    await service.reconfigure({ ...OPEN, quic: { port } });
    assert.equal(service.service.addresses.quic!.port, port);
    await using moved = await service.connect("quic", "bob");
    assert.equal((await moved.ask("ping", {})).type, "pong");
    assert.equal((await old.ask("ping", {})).type, "pong");
    await assert.rejects(service.dial("quic", { quicPort: before, timeout: 500 }));
    await old.close();
  }));

Deno.test("network: QUIC switched off and on, and moved away and back, is served on the same port again", async () => {
  const free = () => {
    const probe = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const { port } = probe.addr as Deno.NetAddr;
    probe.close();
    return port;
  };
  const [first, second] = [free(), free()];
  await withService(async (service) => {
    for (
      const quic of [{ enabled: false }, {}, { port: second }, { enabled: false, port: second }, {}, {
        port: second,
      }]
    ) {
      await service.reconfigure({ ...OPEN, quic: { port: first, ...quic } });
      assert.equal((await service.stats()).lastReload.ok, true);
      if (quic.enabled === false) {
        await assert.rejects(service.dial("quic", { quicPort: quic.port ?? first, timeout: 1000 }));
        continue;
      }
      assert.equal(service.service.addresses.quic?.port, quic.port ?? first);
      for (const kind of ["quic", "webtransport"] as const) {
        await using client = await service.connect(kind, "ann");
        assert.equal((await client.ask("ping", {})).type, "pong");
      }
    }
  }, { quic: { port: first } });
});

Deno.test("network: a key that is taken away ends the connections of its tokens at once, on every transport, and no others", async () => {
  const [old, next] = [
    "the old secret, of thirty-two bytes or more",
    "the new secret, of thirty-two bytes or more",
  ];
  const keys = (...secrets: string[]) => ({
    auth: { keys: secrets.map((secret) => ({ alg: "HS256" as const, secret })) },
  });
  const token = (secret: string) => createTokenSigner({ key: { alg: "HS256", secret } }).sign({ sub: "ann" });
  await withService(async (service) => {
    const clients = await Promise.all(KINDS.flatMap((kind) =>
      [old, next].map(async (secret) => {
        const client = await service.dial(kind);
        await client.authenticate(await token(secret));
        return { client, secret };
      })
    ));
    await service.reconfigure({ ...OPEN, ...keys(next) });
    for (const { client, secret } of clients) {
      if (secret === old) assert.equal((await client.next("close")).payload.code, 3500);
      else assert.equal((await client.ask("ping", {})).type, "pong");
      await client.close();
    }
  }, keys(old, next));
});

Deno.test("network: many lanes do not avoid a rate limit", () =>
  withService(async (service) => {
    const lanes = 20, seconds = 2;
    await using client = await service.connect("quic", "ann");
    for (let lane = 1; lane <= lanes; lane++) await client.openLane(lane);
    // Each lane sends on as fast as it is read.
    for (let lane = 1; lane <= lanes; lane++) {
      for (let i = 0; i < 20; i++) await client.send("history", { channel: "chat:a" }, { lane });
    }
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const answers = client.messages.filter(({ type }) => type === "history_response").length;
    // The burst, what the rate lets pass meanwhile, one that each lane had begun, and some room for a slow clock.
    assert.ok(answers <= 10 + 10 * (seconds + 2) + lanes, `${answers} answers`);
  }, {
    session: {
      ...OPEN.session,
      rates: {
        connection: { messagesPerSecond: 10, messageBurst: 10, bytesPerSecond: 0, byteBurst: 0 },
        user: { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 },
      },
    },
  }));

Deno.test("network: a new HTTP port is taken at once", () =>
  withService(async (service) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    await service.reconfigure({ ...OPEN, http: { port } });
    await using client = await service.dial("websocket");
    await client.authenticate(
      await (await fetch(`http://127.0.0.1:${port}/dev/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"user":"ann"}',
      })).json().then(({ token }) => token),
    );
  }));

Deno.test("network: a drain tells every client on every transport and ends with 3001", async () => {
  const service = await startTestService();
  const clients = await Promise.all(KINDS.map((kind) => service.connect(kind, "ann")));
  const stopping = service.stop();
  for (const client of clients) {
    assert.equal((await client.next("server_notice")).payload.kind, "draining");
    const closed = await client.ended();
    assert.equal(closed.code, 3001);
    assert.equal(closed.transport.code, 3001);
    await client.close();
  }
  await stopping;
});

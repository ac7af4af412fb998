/** Settings of `quic`, each with its effect on a running service. */

import assert from "node:assert/strict";
import { connect, createEndpoint } from "../../src/quic/mod.ts";
import type { ConfigInput } from "../support/config.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { UdpProxy } from "../support/udp_proxy.ts";
import { concat, decode, encode, frame, takeFrames, varint } from "../support/wire.ts";

/** Longer than any test: packets held so long never arrive. */
const NEVER = 3_600_000;

async function withService(
  quic: ConfigInput["quic"],
  run: (service: TestService) => Promise<void>,
): Promise<void> {
  const service = await startTestService({ quic });
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

Deno.test("quic settings: alpn: raw QUIC is taken under the names that are configured and no others", () =>
  withService({ alpn: ["one/1", "two/1"] }, async (service) => {
    for (const alpn of ["one/1", "two/1"]) {
      await using client = await service.dial("quic", { alpn });
      await client.authenticate(await service.token("ann"));
    }
    await assert.rejects(service.dial("quic"));
  }));

Deno.test("quic settings: maxStreams: a client has so many streams open at once and no more", () =>
  withService({ maxStreams: 7 }, async (service) => {
    const client = await service.connect("quic", "ann");
    const native = client.native as Deno.QuicConn;
    let open = 1;
    await assert.rejects(async () => {
      for (; open < 50; open++) await native.createBidirectionalStream();
    }, RangeError);
    // One more, for the CONNECT stream of WebTransport.
    assert.equal(open, 7 + 1);
    await client.close();
  }));

for (const zeroRtt of [true, false]) {
  Deno.test(`quic settings: zeroRtt: what comes with the first packets is ${zeroRtt ? "" : "not "}early when it is ${zeroRtt}`, () =>
    withService({ zeroRtt }, async (service) => {
      const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
      const endpoint = createEndpoint({ hostname: "127.0.0.1" });
      const token = await service.token("ann");
      const said = concat(
        ...["auth_request", "auth_refresh"].map((type, id) =>
          frame(encode({ type, id: `${id}`, timestamp: 0, payload: { token } }, "json"))
        ),
      );
      /** Authenticates and refreshes the token in one breath; resolves with the answer to the second. */
      const speak = async (): Promise<string> => {
        const connection = await connect(`quic://127.0.0.1:${proxy.port}`, {
          endpoint,
          zeroRtt: true,
          serverCertificateHashes: [service.certificateHash],
        });
        const stream = await connection.openBidirectionalStream();
        await stream.write(concat(varint(0), said));
        let rest: Uint8Array = new Uint8Array();
        for (;;) {
          const got = await stream.read(new Uint8Array(65_536));
          if (got === null) throw new Error("no answer");
          const taken = takeFrames(concat(rest, got));
          rest = taken.rest;
          const answer = taken.bodies.map((body) => decode(body)).find(({ re }) => re === "1");
          if (answer === undefined) continue;
          await connection.close();
          return answer.type === "error" ? answer.payload.name : answer.type;
        }
      };
      try {
        // It comes too soon for the answer to the first, which is no matter here: this dial is for the ticket.
        await speak();
        // The service's packets are held up: what it gets before them is early.
        proxy.delayToClient = 100;
        const answer = await speak();
        assert.equal(answer === "too_early", zeroRtt, answer);
      } finally {
        endpoint.close();
        await proxy.close();
      }
    }));
}

Deno.test("quic settings: headerTimeout: a stream that does not say its lane is given up after it", () =>
  // Not less: the lane of the client itself has no longer, on a machine that is busy.
  withService({ headerTimeout: "2s" }, (service) =>
    withService({}, async (patient) => {
      const begin = async (on: typeof service, name: string) => {
        const client = await on.connect("quic", "ann");
        const stream = await client.openRawStream();
        await stream.write(Uint8Array.of(0xc0));
        return { client, ended: stream.read().then((end) => [name, end]) };
      };
      // The older one waits for the default of five seconds.
      const older = await begin(patient, "default"), newer = await begin(service, "short");
      assert.deepEqual(await Promise.race([older.ended, newer.ended]), ["short", null]);
      await older.client.close();
      await newer.client.close();
      await older.ended.catch(() => {});
    })));

Deno.test("quic settings: maxIdleTimeout: a connection whose packets vanish ends by timeout after it", async () => {
  const service = await startTestService({
    quic: { maxIdleTimeout: "1s" },
    session: { heartbeat: { interval: "900ms", timeout: "60s" } },
  });
  const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
  try {
    const client = await service.dial("quic", { quicPort: proxy.port });
    await client.authenticate(await service.token("ann"));
    proxy.blackHole = true;
    // Both sides have the service's timeout, which is the lower one; the default is thirty seconds.
    await client.ended(15_000);
    const end = performance.now() + 15_000;
    const closed = () => service.lines.find(({ event }) => event === "connection closed");
    while (closed() === undefined && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(closed()?.by, "timeout");
    await client.close();
  } finally {
    await proxy.close();
    await service.stop();
  }
});

/** Packets that the service sends to a subscriber before it hears of any that arrived. */
async function firstWindow(congestionControl: "throughput" | "low-latency"): Promise<number> {
  let window = 0;
  await withService({ congestionControl }, async (service) => {
    const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
    const publisher = await service.connect("websocket", "bob");
    const client = await service.dial("quic", { quicPort: proxy.port });
    try {
      await client.authenticate(await service.token("ann"));
      await client.ask("subscribe", { channel: "chat:a" });
      proxy.delayToServer = NEVER;
      const before = proxy.counters.toClient;
      for (let i = 0; i < 12; i++) {
        await publisher.ask("chat_message", { channel: "chat:a", text: "x".repeat(60_000) });
      }
      // The window has left when no more than a probe comes within a tenth of a second.
      for (let sent: number | undefined; sent === undefined || window - sent > 4;) {
        sent = window;
        await new Promise((resolve) => setTimeout(resolve, 100));
        window = proxy.counters.toClient - before;
        if (window === 0) sent = undefined;
      }
    } finally {
      await publisher.close();
      await proxy.close();
      await client.close();
    }
  });
  return window;
}

Deno.test("quic settings: congestionControl: it decides how much leaves before anything is acknowledged", async () => {
  const narrow = await firstWindow("throughput"), wide = await firstWindow("low-latency");
  // RFC 6928's ten packets against BBR's two hundred.
  assert.ok(narrow < 40 && wide > 80, `${narrow} and ${wide} packets`);
});

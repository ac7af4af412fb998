/** What operators are shown of connections on real transports: log lines, and metrics while connections come and go. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { parseExposition } from "../service/metrics_support.ts";
import { KINDS, type TestClient } from "../support/client.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { UdpProxy } from "../support/udp_proxy.ts";
import { OPEN, until, withService } from "./support.ts";

const kind = fc.constantFrom(...KINDS);

/** The line of an event, which stands once in the log. */
function lineOf(service: TestService, event: string): Record<string, unknown> {
  const lines = service.lines.filter((line) => line.event === event);
  assert.equal(lines.length, 1, event);
  return lines[0]!;
}

/** What a line says of its connection must be what the client and `/stats` know. */
async function describes(
  service: TestService,
  line: Record<string, unknown>,
  client: TestClient,
): Promise<void> {
  const { connectionId, sessionId, userId } =
    client.messages.find(({ type }) => type === "auth_response")!.payload;
  assert.deepEqual([line.connection, line.session, line.user], [connectionId, sessionId, userId]);
  const { connectionList } = await service.stats();
  const now = connectionList.items.find((item: Record<string, unknown>) =>
    item.connectionId === connectionId
  );
  assert.deepEqual(
    [line.transport, line.remote, line.connectedAt],
    [client.kind, now.remoteAddress, now.connectedAt],
  );
  // Since the line was written, more may have happened.
  // Both are told by the time of day, of clocks that are read some milliseconds apart.
  assert.ok(line.lastActivity as number > now.connectedAt - 1000, "lastActivity");
  for (const counted of ["bytesIn", "bytesOut", "messagesIn", "messagesOut"]) {
    assert.ok(line[counted] as number > 0 && line[counted] as number <= now[counted], counted);
  }
}

/** Validates: a line about a round trip or a loss names its connection and holds the state that the connection had. */
Deno.test("Feature: quic-transport, Property 20: diagnostic log (a line holds the state of its connection)", () =>
  fc.assert(
    fc.asyncProperty(
      kind,
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 1, max: 59_999 }),
      fc.integer({ min: 1, max: 100 }).map((n) => n / 100),
      async (kind, messages, rtt, loss) => {
        // A kind of line is written once in ten seconds, so each run has a service of its own.
        const thresholds = { rtt: `${rtt}ms`, loss: loss - 0.01 };
        const service = await startTestService({ session: { ...OPEN.session, thresholds } });
        try {
          await using client = await service.connect(kind, "ann");
          for (let i = 0; i < messages; i++) {
            await client.ask("chat_message", { channel: "chat:a", text: "x" });
          }
          await client.send("client_report", { rtt, loss });
          await client.ask("ping", {});
          assert.deepEqual(service.lines.filter(({ event }) => event === "latency_high"), []);
          const lost = lineOf(service, "loss_high");
          assert.deepEqual([lost.loss, lost.threshold, lost.rtt], [loss, thresholds.loss, rtt]);
          // The handshake, the messages and the report.
          assert.equal(lost.messagesIn, messages + 2);
          await describes(service, lost, client);
          await client.ask("ping", { rtt: rtt + 1 });
          const late = lineOf(service, "latency_high");
          assert.deepEqual([late.rttMs, late.thresholdMs, late.rtt], [rtt + 1, rtt, rtt + 1]);
          assert.equal(late.messagesIn, messages + 4);
          await describes(service, late, client);
        } finally {
          await service.stop();
        }
      },
    ),
    { numRuns: 100 },
  ));

Deno.test("diagnostics: a queue that is too long is a line with the state of its connection", () =>
  withService(async (service) => {
    const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port: service.quicPort } });
    const publisher = await service.connect("websocket", "bob");
    const client = await service.dial("quic", { quicPort: proxy.port });
    try {
      await client.authenticate(await service.token("ann"));
      await client.ask("subscribe", { channel: "chat:a" });
      proxy.blackHole = true;
      // QUIC itself takes what fits into the window of a stream; what follows waits.
      const waiting = async () => (await service.stats()).outbox.bytes;
      while (await waiting() < 300_000) {
        await publisher.ask("chat_message", { channel: "chat:a", text: "x".repeat(60_000) });
      }
      await until("the queue is seen", () => service.lines.some(({ event }) => event === "queue_high"));
      const line = lineOf(service, "queue_high");
      assert.equal(line.outboxBytes, line.bytes);
      assert.ok(line.outboxMessages as number > 1);
      proxy.blackHole = false;
      await describes(service, line, client);
    } finally {
      await client.close();
      await publisher.close();
      await proxy.close();
    }
  }, { session: { ...OPEN.session, thresholds: { outbox: 0.1 } } }));

/** Validates: while connections come and go, at any moment the ratios are the shares of the connections that are there. */
Deno.test("Feature: quic-transport, Property 21: transport ratio (while connections come and go)", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    const scrape = async () => parseExposition(await (await fetch(`${service.url}/metrics`)).text());
    /** The connections of a scrape, whose ratios must fit. */
    const counted = async (): Promise<number[]> => {
      const metrics = await scrape();
      const connections = KINDS.map((transport) => metrics.value("skein_connections", { transport })!);
      const all = connections.reduce((sum, count) => sum + count, 0);
      for (const [at, transport] of KINDS.entries()) {
        const ratio = metrics.value("skein_transport_ratio", { transport })!;
        const share = all === 0 ? 0 : connections[at]! / all;
        assert.ok(Math.abs(ratio - share) < 1e-9, `${ratio} of ${transport} in ${connections}`);
      }
      return connections;
    };
    const step = fc.record({
      kind,
      how: fc.constantFrom("stays", "stranger", "good-bye", "ended by the service"),
    });
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const doomed = `u${runs++}`;
        const doomedToken = await service.token(doomed);
        let isOver = false;
        const watching = (async () => {
          while (!isOver) await counted();
        })();
        // A failure is reported below.
        watching.catch(() => {});
        const left = await Promise.all(steps.map(async ({ kind, how }) => {
          const client = await service.dial(kind);
          if (how === "stranger") return { kind, client };
          await client.authenticate(how === "ended by the service" ? doomedToken : token);
          if (how === "stays") return { kind, client };
          if (how === "good-bye") await client.close();
          return { kind: undefined, client };
        }));
        await fetch(`${service.url}/api/disconnect`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ user: doomed }),
        }).then((answer) => answer.body?.cancel());
        const expected = KINDS.map((kind) => left.filter((each) => each.kind === kind).length);
        await until(`${expected} are left`, async () => `${await counted()}` === `${expected}`);
        for (const { client } of left) await client.close();
        await until("all are gone", async () => `${await counted()}` === "0,0,0");
        isOver = true;
        await watching;
      }),
      { numRuns: 100 },
    );
  }));

/** What clients and the service measure of one another, over real sockets. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { parseExposition } from "../service/metrics_support.ts";
import type { TestService } from "../support/service.ts";
import { Network, QUIC_KINDS, type QuicKind, until, withService } from "./support.ts";

/** Milliseconds between two reports of a client. */
const REPORT_INTERVAL = 30_000;
/** Milliseconds after which a datagram counts as lost. */
const LOST_AFTER = 2000;

/** The smallest sample that `share` of all do not exceed. */
function rank(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

/** How often and how much loss the service was told of. */
async function lossOf(service: TestService, transport: QuicKind): Promise<{ count: number; sum: number }> {
  const metrics = parseExposition(await (await fetch(`${service.url}/metrics`)).text());
  const value = (which: string) => metrics.value(`skein_client_loss_ratio_${which}`, { transport })!;
  return { count: value("count"), sum: value("sum") };
}

/**
 * Validates: a client's figures are those of its connection - round trips, lost datagrams, bytes, messages, reconnects -
 * and the service is told of the round trip and the loss.
 */
Deno.test("Feature: quic-transport, Property 16: a client measures what happens, and the service learns of it", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<QuicKind>(...QUIC_KINDS),
        fc.array(
          fc.record({ rtt: fc.integer({ min: 0, max: 15 }).map((n) => n * 100), lost: fc.boolean() }),
          {
            maxLength: 6,
          },
        ),
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 1, max: 9 }).map((n) => n * 100),
        fc.boolean(),
        async (kind, beats, messages, ms, again) => {
          await using network = new Network(service, kind);
          const { clock, pings } = network;
          const client = network.client(token, { quality: false, probing: false });
          const answered = () =>
            network.unanswered === 0 && pings.answered === pings.datagrams - pings.dropped;
          // What the service is to be told: the figures each half minute, when they are not those it knows.
          const reports: { rtt: number; loss: number }[] = [];
          let due = Infinity, known = "";
          client.on("connected", () => due = clock.now() + REPORT_INTERVAL);
          client.on("metrics", ({ rtt, loss, reconnects }) => {
            if (clock.now() < due) return;
            due = clock.now() + REPORT_INTERVAL;
            const text = JSON.stringify([rtt!.p50, loss, reconnects]);
            if (text !== known) reports.push({ rtt: rtt!.p50, loss: loss! });
            known = text;
          });
          const told = await lossOf(service, kind);
          await client.connect();
          if (again) {
            await until("the first pings are answered", answered);
            await client.disconnect();
            await client.connect();
          }
          await until("the first pings are answered", answered);
          client.manager.measure();
          const before = { ...client.manager.measure().traffic };
          const receipts = Array.from({ length: messages }, () => client.channel("chat:a").publish("x"));
          await Promise.all(receipts);
          // The numbered datagram that follows traffic.
          await clock.advance(ms);
          const metrics = client.manager.measure();
          assert.equal(metrics.transport, kind);
          assert.equal(metrics.reconnects, again ? 1 : 0);
          assert.equal(metrics.traffic.messagesOut - before.messagesOut, messages);
          assert.equal(metrics.traffic.messagesIn - before.messagesIn, messages);
          for (const way of ["In", "Out"] as const) {
            const bytes = metrics.traffic[`bytes${way}`] - before[`bytes${way}`];
            assert.equal(bytes > 0, messages > 0);
            const expected = bytes * 1000 / ms;
            const told = metrics.throughput[way === "In" ? "in" : "out"];
            assert.ok(Math.abs(told - expected) < 1e-6, `${told} and not ${expected}`);
          }
          await clock.advance(1000 - ms);
          await until("the datagram is answered", answered);

          const rtts = [0];
          // Those of an earlier connection do not count.
          const first = again ? pings.datagrams - (messages > 0 ? 2 : 1) : 0;
          for (const { rtt, lost } of beats) {
            network.latency = rtt;
            network.dropDatagrams = lost;
            const { sent } = pings;
            while (pings.sent === sent) await clock.advance(100);
            await clock.advance(rtt);
            await until("the pings are answered", answered);
            if (lost) await clock.advance(LOST_AFTER);
            rtts.push(rtt);
          }
          const { rtt, loss } = client.manager.measure();
          assert.deepEqual(rtt, { p50: rank(rtts, 0.5), p99: rank(rtts, 0.99) });
          assert.equal(loss, pings.dropped / (pings.datagrams - first));
          // The report, and something after it that is answered.
          network.latency = 0;
          network.dropDatagrams = false;
          for (let passed = 0; passed <= REPORT_INTERVAL; passed += 1000) {
            await clock.advance(1000);
            await until("the pings are answered", answered);
          }
          await client.channel("chat:a").publish("x");
          const { count, sum } = await lossOf(service, kind);
          assert.ok(reports.length > 0);
          assert.equal(count - told.count, reports.length);
          const expected = reports.reduce((total, { loss }) => total + loss, 0);
          assert.ok(Math.abs(sum - told.sum - expected) < 1e-9, `${sum - told.sum} and not ${expected}`);
          await until("the service shows the last round trip that it was told", async () => {
            const { connectionList } = await service.stats();
            // The connection of the run before may still be ending.
            const own = connectionList.items.find(({ sessionId }: { sessionId: string }) =>
              sessionId === client.manager.sessionId
            );
            return own?.rtt === network.toldRtt;
          });
        },
      ),
      { numRuns: 100 },
    );
  }));

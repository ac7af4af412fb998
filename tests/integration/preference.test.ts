/** What a client remembers of paths and how it looks for a better one: the SDK over real sockets, its clock moved by hand. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Path } from "../../src/client/policy/paths.ts";
import { memoryStorage } from "../../src/client/policy/preference.ts";
import { settle } from "../support/clock.ts";
import { Network, QUIC_KINDS, type QuicKind, until, withService } from "./support.ts";

const quicKind = fc.constantFrom<QuicKind>(...QUIC_KINDS);
/** Milliseconds a preference is believed when no option says otherwise. */
const EXPIRY = 3_600_000;

/**
 * Validates: the next client begins with the path that carried the last one on the same network, for an hour, and with
 * QUIC when the network changed or nothing is known.
 */
Deno.test("Feature: quic-transport, Property 25: what worked is dialled first next time", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    const page = fc.record({
      network: fc.constantFrom("wifi", "cellular"),
      quic: fc.boolean(),
      changes: fc.boolean(),
      later: fc.constantFrom(0, 1000, EXPIRY - 1, EXPIRY, 2 * EXPIRY),
    });
    await fc.assert(
      fc.asyncProperty(quicKind, fc.array(page, { minLength: 1, maxLength: 4 }), async (kind, pages) => {
        await using network = new Network(service, kind);
        const { clock, environment } = network;
        const storage = memoryStorage();
        const known = new Map<string, { path: Path; at: number }>();
        for (const { network: name, quic, changes, later } of pages) {
          await clock.advance(later);
          environment.name = name;
          network.certificate = quic ? "right" : "wrong";
          network.dials.length = 0;
          const entry = known.get(name);
          const preferred = entry !== undefined && clock.now() - entry.at < EXPIRY ? entry.path : undefined;
          const client = network.client(token, { preference: { storage }, probing: false });
          await client.connect();
          const expected: Path[] = preferred === "websocket"
            ? ["websocket"]
            : quic
            ? ["quic"]
            : ["quic", "websocket"];
          assert.deepEqual(network.dials.map(({ path }) => path), expected);
          assert.equal(client.manager.getTransportType(), expected.at(-1) === "quic" ? kind : "websocket");
          known.set(name, { path: expected.at(-1)!, at: clock.now() });
          if (changes) {
            environment.name = "ethernet";
            environment.tell("network");
            known.delete(name);
          }
          await client.disconnect();
        }
      }),
      { numRuns: 100 },
    );
  }));

/**
 * Validates: while WebSocket carries the session QUIC is tried again, each time after twice as long, not before a breaker
 * allows it; when it comes through the session moves up without a gap.
 */
Deno.test("Feature: quic-transport, Property 26: QUIC is looked for until it is back, and taken then", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    await fc.assert(
      fc.asyncProperty(
        quicKind,
        fc.integer({ min: 1, max: 5 }).map((n) => n * 1000),
        fc.integer({ min: 5, max: 15 }).map((n) => n * 1000),
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 5, max: 40 }).map((n) => n * 1000),
        async (kind, first, max, probes, failures, pause) => {
          await using network = new Network(service, kind);
          const { clock, dials } = network;
          network.certificate = "wrong";
          const client = network.client(token, { probing: { first, max }, breaker: { failures, pause } });
          const moves: string[] = [], lost: unknown[] = [];
          client.on("transportchange", ({ from, to }) => moves.push(`${from}>${to}`));
          client.on("disconnected", (end) => lost.push(end));
          await client.connect();
          const { sessionId } = client.manager;
          const tries = () => dials.filter(({ path }) => path === "quic");
          let failed = 1, before = clock.now(), failedAt = clock.now();
          for (let probe = 0; probe <= probes; probe++) {
            if (probe === probes) network.certificate = "right";
            const count = tries().length;
            while (tries().length === count) {
              assert.ok(clock.now() - before <= Math.max(max, pause) + 1000, "it does not try any more");
              await network.live(100);
            }
            const { at } = tries().at(-1)!;
            const full = Math.min(max, first * 2 ** probe);
            const openUntil = failed >= failures ? failedAt + pause : 0;
            assert.ok(at - before >= full / 2, `${at - before} ms after the last, of ${full}`);
            assert.ok(at >= openUntil, `at ${at}, the breaker is open until ${openUntil}`);
            assert.ok(at <= Math.max(before + full, openUntil), `${at - before} ms after the last`);
            if (probe === probes) break;
            await until("it has failed", () => network.dialling === 0);
            await settle();
            failed++;
            before = failedAt = clock.now();
          }
          await until("it moves up", () => moves.length > 0);
          assert.deepEqual(moves, [`websocket>${kind}`]);
          assert.deepEqual(lost, []);
          assert.equal(client.manager.sessionId, sessionId);
        },
      ),
      { numRuns: 100 },
    );
  }));

/** Paths that die or change under a client of the running service, over real sockets; the client's clock is moved by hand. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { SkeinClient } from "../../src/client/mod.ts";
import { Network, QUIC_KINDS, type QuicKind, until, withService } from "./support.ts";

/** Milliseconds within which a client notices that nothing comes any more. */
const NOTICE_WITHIN = 10_000;
/** Milliseconds within which it is elsewhere then. */
const ELSEWHERE_WITHIN = 5000;

const quicKind = fc.constantFrom<QuicKind>(...QUIC_KINDS);
/** Milliseconds between two pings of a client of this service. */
const INTERVAL = 7000;

/** Lets a heartbeat pass: the ping leaves by the clock, and the answer comes over the real path. */
async function beat(network: Network): Promise<void> {
  await until("nothing is on its way", () => network.unanswered === 0);
  await network.clock.advance(INTERVAL);
  await until("the heartbeat is answered", () => network.unanswered === 0);
}

/** The session goes on on WebSocket; the clock goes on only until that is dialled, and not while the sockets work. */
async function fallsBack(network: Network, client: SkeinClient): Promise<void> {
  const isDialled = () => network.dials.some(({ path }) => path === "websocket");
  await network.pass("WebSocket is dialled", isDialled, ELSEWHERE_WITHIN);
  await until("it is on WebSocket", () => client.manager.isConnected());
  assert.equal(client.manager.getTransportType(), "websocket");
}

/**
 * Validates: a path that carries nothing any more is noticed within ten seconds, the session is on WebSocket within five
 * more, and a path that is answered on is never given up.
 */
Deno.test("Feature: quic-transport, Property 7: a dead path is noticed and left", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    await fc.assert(
      fc.asyncProperty(
        quicKind,
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 0, max: INTERVAL - 1 }),
        async (kind, beats, dies) => {
          await using network = new Network(service, kind);
          const client = network.client(token, { probing: false });
          const lost: number[] = [];
          client.on("disconnected", () => lost.push(network.clock.now()));
          await client.connect();
          const { sessionId } = client.manager;
          for (let i = 0; i < beats; i++) await beat(network);
          assert.deepEqual(lost, []);
          await network.clock.advance(dies);
          network.udp.blackHole = true;
          const died = network.clock.now();
          await network.pass("it notices", () => lost.length > 0, NOTICE_WITHIN, 500);
          const noticed = lost[0]!;
          assert.ok(noticed - died <= NOTICE_WITHIN, `after ${noticed - died} ms`);
          await fallsBack(network, client);
          const connected = network.clock.now();
          assert.equal(client.manager.sessionId, sessionId);
          assert.ok(connected - noticed <= ELSEWHERE_WITHIN, `after ${connected - noticed} ms`);
        },
      ),
      { numRuns: 100 },
    );
  }));

/**
 * Validates: when the network changes under QUIC, the application is told whether the connection survived; when it did
 * not, the session goes on elsewhere and the service counts the failure.
 */
Deno.test("Feature: quic-transport, Property 13: a migration that fails is told to the application", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    const failures = async (): Promise<number> => {
      const { transports } = await service.stats();
      return Object.values<{ migrationFailures: number }>(transports)
        .reduce((sum, { migrationFailures }) => sum + migrationFailures, 0);
    };
    let failed = 0;
    await fc.assert(
      fc.asyncProperty(
        quicKind,
        fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
        async (kind, fates) => {
          await using network = new Network(service, kind);
          const client = network.client(token, { probing: false });
          const told: { survived: boolean; transport: string }[] = [];
          client.on("migrated", (event) => told.push(event));
          await client.connect();
          const { sessionId } = client.manager;
          const expected: typeof told = [];
          for (const survives of fates) {
            network.udp.rebind();
            network.udp.blackHole = !survives;
            network.environment.tell("network");
            expected.push({ survived: survives, transport: kind });
            const isTold = () => told.length === expected.length;
            if (survives) {
              // Its pings are answered, which takes longer than the client's clock when the machine is busy.
              for (let passed = 0; !isTold() && passed < NOTICE_WITHIN; passed += 500) {
                await network.live(500);
              }
              continue;
            }
            await network.pass("it is told", isTold, NOTICE_WITHIN, 500);
            failed++;
            await network.pass("it is elsewhere", () => client.manager.isConnected(), 60_000);
            break;
          }
          assert.deepEqual(told, expected);
          assert.equal(client.manager.sessionId, sessionId);
          assert.equal(client.manager.getTransportType(), fates.includes(false) ? "websocket" : kind);
          // The next connection would tell of a failure: of one that was survived there is nothing to tell.
          await client.disconnect();
          network.udp.blackHole = false;
          await client.connect();
          await client.channel("chat:a").publish("x");
          assert.equal(await failures(), failed);
        },
      ),
      { numRuns: 100 },
    );
    assert.ok(failed > 0);
    const lines = service.lines.filter(({ event }) => event === "migration failed");
    assert.equal(lines.length, failed);
    for (const { transport, user } of lines) assert.deepEqual([transport, user], ["websocket", "ann"]);
  }));

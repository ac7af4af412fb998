/** What a client dials, when, and how soon it is connected: the SDK over real sockets, its clock moved by hand. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Network, OPEN, QUIC_KINDS, type QuicKind, until, withService } from "./support.ts";

/** Milliseconds a client gives QUIC when no option says otherwise. */
const QUIC_TIMEOUT = 5000;
/** Milliseconds QUIC is dialled alone. */
const HEAD_START = 500;

const quicKind = fc.constantFrom<QuicKind>(...QUIC_KINDS);

/** Validates: QUIC is dialled first, and alone for its head start; where it comes through, nothing else is dialled. */
Deno.test("Feature: quic-transport, Property 14: QUIC is tried first and used where it is there", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    await fc.assert(
      fc.asyncProperty(
        quicKind,
        fc.integer({ min: 1, max: 5000 }),
        fc.boolean(),
        async (kind, headStart, again) => {
          await using network = new Network(service, kind);
          const client = network.client(token, { headStart, probing: false });
          await client.connect();
          if (again) {
            await client.disconnect();
            await client.connect();
          }
          assert.equal(client.manager.getTransportType(), kind);
          assert.deepEqual(network.dials.map(({ path }) => path), again ? ["quic", "quic"] : ["quic"]);
          assert.equal(network.tcp.connections, 0);
          assert.ok(network.udp.counters.toServer > 0);
        },
      ),
      { numRuns: 100 },
    );
  }));

/** Validates: QUIC that fails, however it does, is replaced by WebSocket within five seconds, and alone it is given up then. */
Deno.test("Feature: quic-transport, Property 8: a client falls back to WebSocket within five seconds", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    await fc.assert(
      fc.asyncProperty(
        quicKind,
        fc.constantFrom("swallowed" as const, "refused" as const),
        fc.integer({ min: 0, max: QUIC_TIMEOUT }),
        fc.boolean(),
        async (kind, how, headStart, hasWebSocket) => {
          await using network = new Network(service, kind);
          if (how === "swallowed") network.udp.blackHole = true;
          else network.certificate = "wrong";
          const client = network.client(token, {
            headStart,
            enableWebSocket: hasWebSocket,
            maxReconnectAttempts: 0,
            probing: false,
          });
          const began = network.clock.now();
          let outcome: string | undefined;
          client.connect().then(() => outcome = "connected", ({ error }) => outcome = error);
          await until("QUIC is dialled", () => network.dials.length === 1 || outcome !== undefined);
          if (how === "swallowed") {
            // A moment before nothing has happened, and then it has.
            const due = hasWebSocket ? headStart : QUIC_TIMEOUT;
            if (due > 0) await network.clock.advance(due - 1);
            if (due > 0) assert.equal(network.dials.length, 1);
            await network.clock.advance(1);
          }
          await until("it is over", () => outcome !== undefined);
          assert.ok(network.clock.now() - began <= QUIC_TIMEOUT);
          if (!hasWebSocket) {
            return assert.equal(outcome, how === "swallowed" ? "timeout" : "connection_lost");
          }
          assert.equal(client.manager.getTransportType(), "websocket");
          // Without a head start both are dialled at once, and the faster one is no fallback.
          if (headStart > 0) assert.equal(client.manager.measure().fallbacks, 1);
        },
      ),
      { numRuns: 100 },
    );
  }));

/** Validates: a path that is refused costs no time at all, one that never answers no more than its bound. */
Deno.test("Feature: quic-transport, Property 24: a failure is noticed at once, and the path that is left is taken", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    await fc.assert(
      fc.asyncProperty(
        quicKind,
        fc.constantFrom("open" as const, "refused" as const, "swallowed" as const),
        fc.constantFrom("open" as const, "refused" as const),
        async (kind, quic, websocket) => {
          await using network = new Network(service, kind);
          network.certificate = quic === "refused" ? "wrong" : "right";
          network.udp.blackHole = quic === "swallowed";
          network.websocket = websocket;
          const client = network.client(token, { maxReconnectAttempts: 0, probing: false });
          const began = network.clock.now();
          let outcome: string | undefined;
          client.connect().then(() => outcome = "connected", () => outcome = "failed");
          if (quic === "swallowed") {
            await until("QUIC is dialled", () => network.dials.length === 1);
            await network.clock.advance(HEAD_START);
            if (websocket === "refused") {
              await until("WebSocket is dialled", () => network.dials.length === 2);
              await network.clock.advance(QUIC_TIMEOUT - HEAD_START);
            }
          }
          await until("it is over", () => outcome !== undefined);
          const took = network.clock.now() - began;
          const isPossible = quic === "open" || websocket === "open";
          assert.equal(outcome, isPossible ? "connected" : "failed");
          const bound = quic !== "swallowed" ? 0 : websocket === "open" ? HEAD_START : QUIC_TIMEOUT;
          assert.equal(took, bound);
          const expected = quic === "open" ? kind : isPossible ? "websocket" : null;
          assert.equal(client.manager.getTransportType(), expected);
        },
      ),
      { numRuns: 100 },
    );
  }));

for (const kind of QUIC_KINDS) {
  Deno.test(`dialling: a client of a node that is full comes back when there is room (${kind})`, () =>
    withService(async (service) => {
      const bob = await service.connect("websocket", "bob");
      await using network = new Network(service, kind);
      const ann = network.client(await service.token("ann"), { probing: false });
      let isConnected = false;
      const connecting = ann.connect().then(() => isConnected = true);
      await network.pass("it is refused again and again", () => network.dials.length >= 6, 300_000);
      assert.equal(isConnected, false);
      const refused = service.lines.find((line) => line.event === "connection refused");
      assert.equal(refused?.reason, "too many connections");
      await bob.close();
      await until("its place is free", async () => (await service.stats()).connections === 0);
      await network.pass("it is connected", () => isConnected, 300_000);
      await connecting;
    }, { session: { ...OPEN.session, maxConnections: 1 } }));
}

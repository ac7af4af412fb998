import assert from "node:assert/strict";
import fc from "fast-check";
import { authenticated, handlers, memoryNode, settle } from "./support.ts";

/**
 * Validates: in any order of authenticating, speaking, silence and time, a connection is in the state that a model
 * says.
 */
Deno.test("Feature: quic-transport, Property 3: connection state and keep-alive (over random silence)", async () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant("auth" as const), ms: fc.constant(0) }),
    fc.record({ op: fc.constant("speak" as const), ms: fc.constant(0) }),
    fc.record({ op: fc.constant("wait" as const), ms: fc.integer({ min: 100, max: 12_000 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const node = memoryNode({ handlers });
      const peer = node.connect();
      const connection = [...node.sessions.connections][0]!;
      let age = 0, silent = 0, authed = false, expected: number | undefined;
      for (const { op, ms } of steps) {
        if (expected !== undefined) break;
        if (op === "wait") {
          // A sweep each second finds what has come due by then.
          for (let left = ms; left > 0 && expected === undefined; left -= 1000) {
            const step = Math.min(left, 1000);
            age += step;
            silent += step;
            await node.advance(step);
            if (!authed && age >= 10_000) expected = 3506;
            else if (authed && silent >= 10_000) expected = 3012;
          }
          continue;
        }
        await peer.send(
          op === "auth" && !authed ? "auth_request" : "ping",
          op === "auth" && !authed ? { token: "ok:ann" } : {},
        );
        if (op === "auth") authed = true;
        silent = 0;
      }
      if (expected === undefined) {
        assert.equal(connection.phase, authed ? "open" : "new");
      } else {
        assert.equal((await peer.peer.closed).code, expected);
        assert.equal(connection.phase, "closed");
      }
      await node.sessions.close();
    }),
    { numRuns: 100 },
  );
});

/**
 * Validates: whatever bytes a client sends, nothing of it is left after its end and its window, and another one is
 * untouched.
 */
Deno.test("Feature: quic-transport, Property 5: clean-up on error (in memory, with time to come back)", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 15 }),
      fc.constantFrom(1000, 1006),
      async (auth, frames, code) => {
        const node = memoryNode({ handlers, settings: { heartbeat: { interval: 7000, timeout: 1e9 } } });
        const bystander = await authenticated(node, "ok:bob");
        const peer = node.connect();
        if (auth) await peer.send("auth_request", { token: "ok:ann" });
        for (const frame of frames) await peer.peer.sendRaw(frame);
        await settle();
        peer.peer.close(code);
        await peer.peer.closed;
        await settle();
        assert.equal(node.sessions.connections.size, 1);
        await node.advance(121_000);
        assert.deepEqual(node.sessions.counts, { attached: 1, detached: 0 });
        assert.equal((await bystander.send("ping"))?.type, "pong");
        const { sessionId } = peer.of("auth_response")[0]?.payload ?? {};
        if (sessionId !== undefined) {
          assert.equal(
            node.membership.calls.filter((call) => call === `leave ${sessionId}`).length,
            1,
          );
        }
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("migration: a failure is reported", async () => {
  // A connection that moves and then falls silent is reported as a failed migration; one that moves and lives, or
  // falls silent without having moved, is not.
  await fc.assert(
    fc.asyncProperty(
      fc.nat(3),
      fc.boolean(),
      fc.constantFrom("timeout", "no_pong"),
      async (moves, dies, how) => {
        const node = memoryNode({ handlers });
        const peer = await authenticated(node);
        const connection = [...node.sessions.connections][0]!;
        for (let i = 0; i < moves; i++) connection.migrated(`192.0.2.1:${i}`, `192.0.2.1:${i + 1}`);
        assert.equal(node.observer.of("migrated").length, moves);
        assert.equal(
          node.observer.events.filter(({ event }) => event === "connection migrated").length,
          moves,
        );
        if (!dies) peer.peer.close(1000);
        else if (how === "timeout") connection.ended({ code: 0, reason: "", by: "timeout" });
        else await node.advance(10_000);
        await settle();
        const expected = dies && moves > 0 ? 1 : 0;
        assert.equal(
          node.observer.events.filter(({ event }) => event === "migration failed").length,
          expected,
        );
        assert.deepEqual(node.observer.of("report"), expected === 1 ? [{ migrationFailed: true }] : []);
      },
    ),
    { numRuns: 100 },
  );
});

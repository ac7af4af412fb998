import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { MemoryStore } from "../../src/engine/memory/store.ts";
import { FakeClock, settle } from "../support/clock.ts";

/** A claim as a plain list of rules says that it is. */
interface Modelled {
  readonly user: string;
  readonly node: number;
  readonly revision: number;
  readonly at: number;
}

const WINDOW = 50, LEASE = 20;
const node = fc.nat(2), session = fc.constantFrom("s0", "s1", "s2"), user = fc.constantFrom("ann", "bob");
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("begin" as const), node, session, user }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("resume" as const), node, session, user }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("again" as const), node, session, old: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("release" as const), node, session, old: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("announce" as const), node }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("retire" as const), node }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(40), sweep: fc.boolean() }),
  },
);

/**
 * Validates: whoever claims, releases, announces itself, retires or falls silent in whatever order, a claim is there
 * exactly as long as the contract says, belongs to the node that made it last, and every node that lost one is told once.
 */
Deno.test("Feature: quic-transport, Property 83: claims of nodes on one store follow a plain model", () =>
  fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = new FakeClock();
      const store = new MemoryStore({ clock });
      const lost: string[] = [], expected: string[] = [];
      const nodes = [0, 1, 2].map((index) => {
        const { commands } = new MemoryEngine({ store });
        commands.onLost((session, revision, to) => lost.push(`${index} ${session} ${revision} ${to}`));
        return commands;
      });
      const claims = new Map<string, Modelled>();
      const alive = [-Infinity, -Infinity, -Infinity];
      const current = (session: string): Modelled | undefined => {
        const claim = claims.get(session);
        if (claim === undefined || Math.max(alive[claim.node]!, claim.at) + WINDOW <= clock.now()) {
          return undefined;
        }
        return claim;
      };
      const claimed = (
        session: string,
        user: string,
        index: number,
        revision: number | undefined,
        may: boolean,
      ) => {
        const made = nodes[index]!.claim(
          { session, user },
          revision === undefined ? { window: WINDOW } : { window: WINDOW, revision },
        );
        const before = current(session);
        assert.equal(made !== undefined, may);
        if (made === undefined) return;
        assert.equal(made.previous, before === undefined ? undefined : nodes[before.node]!.node);
        assert.ok(made.revision > (claims.get(session)?.revision ?? 0), "revisions rise");
        if (before !== undefined && before.node !== index) {
          expected.push(`${before.node} ${session} ${made.revision} ${nodes[index]!.node}`);
        }
        claims.set(session, { user, node: index, revision: made.revision, at: clock.now() });
      };
      for (const step of steps) {
        if (step.kind === "pass") {
          clock.sleep(step.ms);
          if (step.sweep) store.sweep();
          continue;
        }
        const { node: index } = step;
        if (step.kind === "announce") {
          const inTime = alive[index] === -Infinity || alive[index]! > clock.now();
          assert.equal(nodes[index]!.announce(`n${index}`, LEASE), inTime);
          // What has lapsed does not come back.
          for (const session of [...claims.keys()]) {
            if (current(session) === undefined) claims.delete(session);
          }
          alive[index] = clock.now() + LEASE;
        } else if (step.kind === "retire") {
          nodes[index]!.retire();
          alive[index] = Math.min(alive[index]!, clock.now());
        } else {
          const { session } = step;
          const claim = current(session);
          if (step.kind === "begin") claimed(session, step.user, index, 0, claim === undefined);
          else if (step.kind === "resume") {
            claimed(session, step.user, index, undefined, claim?.user === step.user);
          } else {
            const revision = (claim?.revision ?? 1_000_000) - (step.old ? 1 : 0);
            const fits = claim !== undefined && !step.old;
            if (step.kind === "again") claimed(session, claim?.user ?? "ann", index, revision, fits);
            else {
              const own = fits && claim.node === index;
              assert.equal(nodes[index]!.release(session, revision), own);
              if (own) claims.delete(session);
            }
          }
        }
        for (const session of ["s0", "s1", "s2"]) {
          const claim = current(session);
          const found = nodes[0]!.locate(session);
          assert.deepEqual(
            found === undefined ? undefined : [found.user, found.node, found.revision],
            claim === undefined ? undefined : [claim.user, nodes[claim.node]!.node, claim.revision],
          );
        }
        for (const user of ["ann", "bob"]) {
          const own = ["s0", "s1", "s2"].filter((session) => current(session)?.user === user);
          assert.deepEqual(nodes[1]!.find({ user }).map(({ session }) => session).sort(), own);
        }
        const living = [0, 1, 2].filter((index) => alive[index]! > clock.now());
        assert.deepEqual(
          nodes[2]!.nodes().map(({ name }) => name).sort(),
          living.map((index) => `n${index}`),
        );
      }
      await settle();
      assert.deepEqual(lost, expected);
    }),
    { numRuns: 300 },
  ));

Deno.test("commands: too many that wait for an answer are refused, until some have one", async () => {
  const clock = new FakeClock();
  const { commands } = new MemoryEngine({ clock });
  commands.announce("a", 1_000_000);
  let hangs = true;
  commands.onCommand(() => hangs ? new Promise(() => {}) : { done: true });
  const ask = () => commands.send(commands.node, { type: "t", payload: {} }, 1000);
  const asked = Array.from({ length: 10_001 }, ask);
  assert.deepEqual(await asked.pop(), { failed: "overloaded" });
  hangs = false;
  assert.deepEqual(await ask(), { failed: "overloaded" });
  clock.sleep(1000);
  await clock.advance(0);
  assert.ok((await Promise.all(asked)).every((result) => "failed" in result && result.failed === "timeout"));
  assert.deepEqual(await ask(), { answer: { done: true } });
  assert.equal(clock.pending, 0, "no timer is left");
});

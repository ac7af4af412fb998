/** Which path is taken, among those there are. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { type NatBehaviour, predictPath } from "../../src/peer/nat.ts";
import {
  nextDecision,
  type PathKind,
  type PathState,
  secondPath,
  selectPath,
} from "../../src/peer/path_selector.ts";
import { backoff, nextState, type PeerEvent, type PeerState } from "../../src/peer/state.ts";

const path = (kind: PathKind, more: Partial<PathState> = {}): PathState => ({
  kind,
  confirmedAt: 0,
  confirmations: 5,
  failures: 0,
  unanswered: 0,
  rtt: 20,
  departures: 0,
  ...more,
});
const context = {
  current: undefined,
  startedAt: 0,
  answeredAt: 0,
  now: 100,
  prediction: "unknown",
  searching: true,
} as const;

Deno.test("path selector: a relayed path waits for a direct one, but not for ever", () => {
  const relayed = path("relayed");
  assert.deepEqual(selectPath([relayed], context), { path: undefined, give: "wait" });
  assert.deepEqual(selectPath([relayed], { ...context, now: 400 }), { path: relayed });
  assert.deepEqual(selectPath([relayed], { ...context, searching: false }), { path: relayed });
});

Deno.test("path selector: the wait for a direct path begins with the peer's first answer", () => {
  const relayed = path("relayed"), late = { ...context, answeredAt: 2_000 };
  assert.deepEqual(selectPath([relayed], { ...late, now: 2_299 }), { path: undefined, give: "wait" });
  assert.deepEqual(selectPath([relayed], { ...late, now: 2_300 }), { path: relayed });
  assert.deepEqual([0, 2_100, 2_500, 9_000].map((now) => nextDecision({ ...late, now })), [
    2_300,
    200,
    500,
    1_000,
  ]);
  assert.equal(nextDecision({ ...late, answeredAt: undefined, now: 100 }), 9_900);
});

Deno.test("path selector: a program that has paused sends some checks of a direct path before it takes a relayed one", () => {
  const relayed = path("relayed"), punched = { confirmedAt: undefined, confirmations: 0 };
  const choose = (unanswered: number, now: number): PathState | undefined =>
    selectPath([relayed, path("punched", { ...punched, unanswered })], { ...context, now }).path;
  assert.deepEqual([choose(2, 400), choose(3, 400), choose(2, 1_000)], [undefined, relayed, relayed]);
});

Deno.test("path selector: a relayed path is taken at once where nothing else can be expected", () => {
  const relayed = path("relayed");
  assert.deepEqual(selectPath([relayed], { ...context, prediction: "relayed" }), { path: relayed });
});

Deno.test("path selector: a better path takes over only after several answers in a row", () => {
  const relayed = path("relayed"), fresh = path("punched", { confirmations: 2 });
  const current = { ...context, current: relayed };
  assert.equal(selectPath([relayed, fresh], current).path, relayed);
  const steady = path("punched", { confirmations: 3 });
  assert.equal(selectPath([relayed, steady], current).path, steady);
});

Deno.test("path selector: among equal paths a little faster is not worth a switch", () => {
  const current = path("punched", { rtt: 40 });
  const little = path("punched", { rtt: 35 }), much = path("punched", { rtt: 20 });
  assert.equal(selectPath([current, little], { ...context, current }).path, current);
  assert.equal(selectPath([current, much], { ...context, current }).path, much);
});

Deno.test("path selector: a path whose checks fail is left for one that answers", () => {
  const current = path("punched", { failures: 2, confirmations: 0 }),
    relayed = path("relayed", { confirmations: 1 });
  assert.equal(selectPath([current, relayed], { ...context, current }).path, relayed);
  assert.equal(selectPath([current], { ...context, current }).path, current);
});

Deno.test("path selector: where the peer is heard counts more than what would be better", () => {
  const current = path("punched", { failures: 2, confirmations: 0 }), other = path("punched");
  const relayed = path("relayed"), paths = [current, other, relayed];
  assert.equal(selectPath(paths, { ...context, current, heard: relayed }).path, relayed);
  assert.equal(selectPath(paths, { ...context, current }).path, other);
  const dead = path("relayed", { failures: 2 });
  assert.equal(selectPath([other, dead], { ...context, current: other, heard: dead }).path, other);
});

Deno.test("path selector: a path that was left again and again has to answer longer each time", () => {
  const relayed = path("relayed"), current = { ...context, current: relayed };
  const needed = [0, 1, 2, 3, 4, 5, 6, 50].map((departures) => {
    for (let confirmations = 0;; confirmations++) {
      const direct = path("direct", { confirmations, departures });
      if (selectPath([relayed, direct], current).path === direct) return confirmations;
    }
  });
  assert.deepEqual(needed, [3, 3, 6, 12, 24, 48, 48, 48]);
});

Deno.test("path selector: copies take the path that is least likely to have died with the one in use", () => {
  const direct = path("direct"),
    punched = path("punched"),
    relayed = path("relayed"),
    slow = path("relayed", { rtt: 90 });
  assert.equal(secondPath([direct, punched, slow, relayed], direct), relayed);
  assert.equal(secondPath([direct, punched, slow, relayed], relayed), direct);
  assert.equal(secondPath([direct, punched], direct), punched);
  const doubtful = path("relayed", { failures: 1 });
  assert.equal(secondPath([direct, punched, doubtful], direct), punched);
  const dead = path("relayed", { failures: 2 }), untried = path("relayed", { confirmedAt: undefined });
  assert.equal(secondPath([direct, dead, untried], direct), undefined);
});

Deno.test("path selector: without any path the service carries the data after ten seconds", () => {
  const silent = path("punched", { confirmedAt: undefined, confirmations: 0 });
  assert.deepEqual(selectPath([silent], { ...context, now: 9_999 }), { path: undefined, give: "wait" });
  assert.deepEqual(selectPath([silent], { ...context, now: 10_000 }), { path: undefined, give: "server" });
});

const PATH: fc.Arbitrary<PathState> = fc.record({
  kind: fc.constantFrom<PathKind>("direct", "punched", "relayed"),
  confirmedAt: fc.option(fc.nat(1000), { nil: undefined }),
  confirmations: fc.nat(5),
  failures: fc.nat(4),
  unanswered: fc.nat(4),
  rtt: fc.option(fc.nat(300), { nil: undefined }),
  departures: fc.nat(8),
});

Deno.test("path selector: what is chosen answers, and choosing again changes nothing", () => {
  const inputs = fc.record({
    paths: fc.array(PATH, { maxLength: 8 }),
    index: fc.nat(10),
    now: fc.nat(20_000),
    searching: fc.boolean(),
  });
  fc.assert(
    fc.property(inputs, ({ paths, index, now, searching }) => {
      const given = { startedAt: 0, answeredAt: 0, now, searching, prediction: "unknown" as const };
      const { path: chosen } = selectPath(paths, { ...given, current: paths[index] });
      if (chosen === undefined) return;
      assert.ok(paths.includes(chosen));
      const alive = paths.filter((one) => one.confirmedAt !== undefined && one.failures < 2);
      if (alive.length > 0) assert.ok(alive.includes(chosen));
      assert.equal(selectPath(paths, { ...given, current: chosen }).path, chosen);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("nat: the path is predicted for each pair of types", () => {
  const types: Record<string, NatBehaviour> = {
    open: { mapping: "none", filtering: "none" },
    cone: { mapping: "endpoint_independent", filtering: "endpoint_independent" },
    restricted: { mapping: "endpoint_independent", filtering: "address" },
    portRestricted: { mapping: "endpoint_independent", filtering: "address_and_port" },
    symmetric: { mapping: "address_and_port", filtering: "address_and_port" },
  };
  const relayed = Object.keys(types).flatMap((a) =>
    Object.keys(types).filter((b) => predictPath(types[a], types[b]) === "relayed").map((b) => `${a} ${b}`)
  );
  assert.deepEqual(relayed, ["portRestricted symmetric", "symmetric portRestricted", "symmetric symmetric"]);
  assert.equal(predictPath(undefined, types.open), "unknown");
});

Deno.test("peer state: every sequence of events leads through known states, and a close ends each", () => {
  const events: PeerEvent[] = ["connect", "established", "lost", "attempt_failed", "retry", "close"];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (sequence) => {
      let state: PeerState = "disconnected";
      for (const event of sequence) state = nextState(state, event) ?? state;
      assert.equal(nextState(state, "close") ?? state, "disconnected");
    }),
    { numRuns: 300 },
  );
});

Deno.test("peer state: pauses grow from half a second to thirty seconds", () => {
  assert.deepEqual([1, 2, 3, 7, 50].map((attempt) => backoff(attempt, 0)), [
    500,
    1_000,
    2_000,
    30_000,
    30_000,
  ]);
  assert.equal(backoff(1, 1), 350);
});

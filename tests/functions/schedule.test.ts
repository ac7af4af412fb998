/** When schedules are due, and who calls. */

import assert from "node:assert/strict";
import type { Call } from "../../src/functions/mod.ts";
import { parseSchedule } from "../../src/functions/schedule.ts";
import { Schedules } from "../../src/service/functions/schedules.ts";
import type { FunctionSet } from "../../src/service/functions/set.ts";
import type { Values } from "../../src/engine/contract.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";

const at = (text: string): number => Date.parse(text);
const next = (cron: string, after: string, timezone?: string): string | undefined => {
  const due = parseSchedule({ cron, ...timezone === undefined ? {} : { timezone } })!(at(after));
  return due === undefined ? undefined : new Date(due).toISOString();
};

const CASES: readonly (readonly [string, string, string | undefined, string?])[] = [
  ["* * * * *", "2026-11-26T10:00:00Z", "2026-11-26T10:01:00.000Z"],
  ["* * * * *", "2026-11-26T10:00:59.999Z", "2026-11-26T10:01:00.000Z"],
  ["0 9 * * *", "2026-11-26T09:00:00Z", "2026-11-27T09:00:00.000Z"],
  ["*/15 * * * *", "2026-11-26T10:50:00Z", "2026-11-26T11:00:00.000Z"],
  ["5/20 * * * *", "2026-11-26T10:50:00Z", "2026-11-26T11:05:00.000Z"],
  ["0 0 1 1 *", "2026-11-26T10:00:00Z", "2027-01-01T00:00:00.000Z"],
  ["0 0 29 2 *", "2026-11-26T10:00:00Z", "2028-02-29T00:00:00.000Z"],
  ["0 0 31 4 *", "2026-11-26T10:00:00Z", undefined],
  ["30 23 * * mon-fri", "2026-11-27T23:30:00Z", "2026-11-30T23:30:00.000Z"],
  ["0 12 * * 7", "2026-11-26T10:00:00Z", "2026-11-29T12:00:00.000Z"],
  // A day of the month or of the week.
  ["0 0 13 * fri", "2026-11-26T10:00:00Z", "2026-11-27T00:00:00.000Z"],
  ["0 0 13 * fri", "2026-12-12T10:00:00Z", "2026-12-13T00:00:00.000Z"],
  ["@daily", "2026-11-26T10:00:00Z", "2026-11-27T00:00:00.000Z"],
  ["0 9 * jul,DEC *", "2026-11-26T10:00:00Z", "2026-12-01T09:00:00.000Z"],
  // Berlin: two hours ahead in summer, one in winter.
  ["0 9 * * *", "2026-07-01T08:00:00Z", "2026-07-02T07:00:00.000Z", "Europe/Berlin"],
  ["0 9 * * *", "2026-12-01T07:00:00Z", "2026-12-01T08:00:00.000Z", "Europe/Berlin"],
  // 2:30 does not exist on 29 March 2026.
  ["30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00.000Z", "Europe/Berlin"],
  ["0 3 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00.000Z", "Europe/Berlin"],
];

for (const [cron, after, due, timezone] of CASES) {
  Deno.test(`schedules: ${cron} after ${after}${timezone === undefined ? "" : ` in ${timezone}`}`, () => {
    assert.equal(next(cron, after, timezone), due);
  });
}

Deno.test("schedules: what is no schedule is refused", () => {
  for (
    const cron of [
      "",
      "* * * *",
      "60 * * * *",
      "* 24 * * *",
      "* * 0 * *",
      "* * * 13 *",
      "* * * * 8",
      "a * * * *",
      "5-1 * * * *",
      "*/0 * * * *",
      "1,,2 * * * *",
      "*-5 * * * *",
      "* * * * * *",
      "@never",
      "1-2-3 * * * *",
    ]
  ) assert.equal(parseSchedule({ cron }), undefined, cron);
  assert.equal(parseSchedule({ cron: "* * * * *", timezone: "Nowhere/City" }), undefined);
  for (const every of ["", "10", "0s", "500ms", "-1s", "1 s", "400d", "s"]) {
    assert.equal(parseSchedule({ every }), undefined, every);
  }
});

Deno.test("schedules: a fixed distance is counted from the epoch, so that all nodes agree", () => {
  const every = parseSchedule({ every: "10m" })!;
  assert.equal(every(at("2026-11-26T10:00:00Z")), at("2026-11-26T10:10:00Z"));
  assert.equal(every(at("2026-11-26T10:09:59.999Z")), at("2026-11-26T10:10:00Z"));
});

/** Schedules of one node on a store. */
function node(values: Values, calls: string[], schedules: Record<string, unknown>) {
  const set = { functions: [{ name: "clock", manifest: { schedules } }] } as unknown as FunctionSet;
  const call = (name: string, { event }: Call) => {
    if (event.kind === "schedule") calls.push(`${name} ${event.name} ${event.due}`);
    return Promise.resolve();
  };
  const failed = (error: unknown) => void calls.push(String(error));
  return new Schedules({ values, set, call, failed });
}

/** Lets every look come to its end: values in memory are there at once. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("schedules: of several nodes one calls, and after a restart what was missed is called once", async () => {
  const engine = new MemoryEngine();
  const calls: string[] = [];
  const schedules = { tick: { every: "10s" } };
  const nodes = [1, 2, 3].map(() => node(engine.values, calls, schedules));
  for (let now = 1000; now <= 35_000; now += 1000) {
    for (const each of nodes) each.sweep(now);
    await settled();
  }
  assert.deepEqual(calls, ["clock tick 10000", "clock tick 20000", "clock tick 30000"]);
  for (const each of nodes) each.close();
  // The service was away for a while.
  const again = node(engine.values, calls, schedules);
  for (const now of [95_000, 96_000, 99_000, 100_000]) {
    again.sweep(now);
    await settled();
  }
  assert.deepEqual(calls.slice(3), ["clock tick 40000", "clock tick 100000"]);
  await engine.close();
});

Deno.test("schedules: another schedule of the same name begins anew", async () => {
  const engine = new MemoryEngine();
  const calls: string[] = [];
  const before = node(engine.values, calls, { tick: { every: "1h" } });
  before.sweep(1000);
  await settled();
  const after = node(engine.values, calls, { tick: { every: "10s" } });
  for (const now of [2000, 10_000, 20_000]) {
    after.sweep(now);
    await settled();
  }
  assert.deepEqual(calls, ["clock tick 10000", "clock tick 20000"]);
  await engine.close();
});

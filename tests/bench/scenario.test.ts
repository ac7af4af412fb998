import assert from "node:assert/strict";
import { TextLineStream } from "./lines.ts";
import { measureTrips, median, quantile, type Scenario, summarise, table } from "./scenario.ts";
import { withTable } from "./page.ts";
import { SCENARIOS } from "./scenarios.ts";

const scenario = (better: Scenario["better"], target?: Scenario["target"]): Scenario => ({
  name: "a thing",
  unit: "us",
  better,
  ...(target === undefined ? {} : { target }),
});

Deno.test("bench: medians and quantiles are those of the sorted samples", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
  const samples = Array.from({ length: 100 }, (_, i) => 99 - i);
  assert.equal(quantile(samples, 0.5), 50);
  assert.equal(quantile(samples, 0.99), 99);
  assert.equal(quantile([7], 0.99), 7);
});

Deno.test("bench: the ratio is the median of the rounds' ratios, not the ratio of the medians", () => {
  const measured = {
    bare: [10, 1, 2].map((value) => ({ value })),
    skein: [20, 3, 2].map((value) => ({ value })),
  };
  const result = summarise(scenario("lower", { ratio: 2 }), measured);
  assert.equal(result.ratio, 2);
  assert.equal(result.met, true);
  assert.equal(result.rounds, 3);
});

Deno.test("bench: a target is missed when either half of it is, in the direction that is better", () => {
  const measured = { bare: [{ value: 10 }], skein: [{ value: 8 }] };
  assert.equal(summarise(scenario("higher", { ratio: 0.7 }), measured).met, true);
  assert.equal(summarise(scenario("higher", { ratio: 0.9 }), measured).met, false);
  assert.equal(summarise(scenario("higher", { ratio: 0.7, value: 9 }), measured).met, false);
  assert.equal(summarise(scenario("lower", { value: 8 }), measured).met, true);
  assert.equal(summarise(scenario("lower"), measured).met, undefined);
});

Deno.test("bench: without a figure for Skein nothing is called met", () => {
  const result = summarise(scenario("lower", { value: 1 }), { bare: [{ value: 1, p99: 3 }], skein: [] });
  assert.equal(result.met, undefined);
  assert.equal(result.ratio, undefined);
  assert.deepEqual(result.bare, { value: 1, p99: 3 });
});

Deno.test("bench: the table says what falls short", () => {
  const measured = { bare: [{ value: 1234 }], skein: [{ value: 5000, p50: 1, p99: 6000 }] };
  const lines = table([summarise(scenario("lower", { ratio: 1.5 }), measured)]).split("\n");
  assert.equal(lines.length, 3);
  assert.equal(new Set(lines.map((line) => line.length)).size, 1);
  assert.match(lines[2]!, /1,234 .* 5,000 .* 6,000 .* 4\.05 .*<= 1\.5x .*NO/);
});

Deno.test("bench: trips are counted after the warm-up", async () => {
  let trips = 0;
  const { value, p50, p99 } = await measureTrips(() => Promise.resolve(trips++), { trips: 30, warmUp: 5 });
  assert.equal(trips, 35);
  assert.equal(value, p50);
  assert.ok(p99! >= p50!);
});

Deno.test("lines: they are put together across chunks and characters", async () => {
  const bytes = new TextEncoder().encode("é1\ntwo\nrest");
  const lines = ReadableStream.from([...bytes].map((byte) => Uint8Array.of(byte))).pipeThrough(
    new TextLineStream(),
  );
  assert.deepEqual(await Array.fromAsync(lines), ["é1", "two", "rest"]);
});

Deno.test("bench: every scenario has a name of its own and a side to measure", () => {
  const names = SCENARIOS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  assert.ok(SCENARIOS.every(({ bare, skein }) => bare ?? skein));
});

Deno.test("bench: a page keeps the rows that were not measured, in the order of the scenarios", () => {
  const of = (name: string, value: number) =>
    summarise({ ...scenario("lower"), name }, { skein: [{ value }] });
  const page = "before\n<!-- bench: begin -->\n<!-- bench: end -->\nafter\n";
  const names = ["a", "b", "c"];
  const first = withTable(page, [of("b", 1), of("gone", 2), of("a", 3)], { date: "d1", about: "x", names });
  const again = withTable(first, [of("b", 9), of("c", 4)], { date: "d2", about: "y", names });
  const rows = again.split("\n").filter((line) => /^\| [abc] /.test(line));
  assert.deepEqual(rows.map((row) => [row.split(" | ")[4], row.split(" | ").at(-1)]), [
    ["3.00", "d1 |"],
    ["9.00", "d2 |"],
    ["4.00", "d2 |"],
  ]);
  assert.ok(again.startsWith("before\n") && again.endsWith("\nafter\n") && again.includes("\n\ny\n\n"));
  assert.throws(() => withTable("no marks", [], { date: "", about: "", names }));
});

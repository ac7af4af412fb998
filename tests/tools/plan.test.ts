import assert from "node:assert/strict";
import { NEEDS } from "../support/needs.ts";
import fc from "fast-check";
import {
  lastLine,
  LIMITS,
  plan,
  readArguments,
  readOutput,
  Schedule,
  type TestFile,
  type Weight,
} from "./plan.ts";

Deno.test("plan: a file that declares needs is heavy and names each need once", () => {
  const source = `testWith(["firefox", "chromium"], "a", f);\ntestWith(\n  ["chromium"],\n  "b", f);`;
  assert.deepEqual(plan("tests/client/a.test.ts", source), {
    path: "tests/client/a.test.ts",
    weight: "heavy",
    needs: ["chromium", "firefox"],
    limit: LIMITS.heavy,
  });
});

Deno.test("plan: integration tests are heavy, attacks exclusive, unit tests light", () => {
  assert.equal(plan("tests/integration/a.test.ts", "").weight, "heavy");
  assert.equal(plan("tests/attack/a.test.ts", `testWith(["chromium"], "a", f)`).weight, "exclusive");
  assert.equal(plan("tests/hub/a.test.ts", "").weight, "light");
  assert.equal(plan("tests/hub/a.test.ts", "").limit, LIMITS.light);
});

Deno.test("schedule: every file runs once, little more than cores at once, one heavy beside light ones, exclusive ones last and alone", () => {
  const weight = fc.constantFrom<Weight>("light", "heavy", "exclusive");
  const runs = fc.array(weight, { maxLength: 30, size: "max" });
  fc.assert(
    fc.property(
      runs,
      fc.integer({ min: 1, max: 8 }),
      fc.infiniteStream(fc.nat()),
      (weights, cores, chance) => {
        const files = weights.map((weight, i) => ({ path: `${i}`, weight, needs: [], limit: 1 }));
        const schedule = new Schedule(files, cores);
        const running: TestFile[] = [], begun: TestFile[] = [];
        const count = (weight: Weight): number => running.filter((file) => file.weight === weight).length;
        for (;;) {
          for (let file = schedule.next(); file !== undefined; file = schedule.next()) {
            running.push(file);
            begun.push(file);
            const [light, heavy, exclusive] = [count("light"), count("heavy"), count("exclusive")];
            assert.ok(light <= cores + 1 && heavy <= cores + 1 && light + heavy <= cores + 2);
            if (exclusive > 0) assert.equal(running.length, 1);
            const isLightLeft = begun.filter((file) => file.weight === "light").length <
              weights.filter((weight) => weight === "light").length;
            if (isLightLeft) assert.ok(heavy <= 1 && exclusive === 0);
          }
          if (running.length === 0) break;
          schedule.ended(running.splice(chance.next().value % running.length, 1)[0]!);
        }
        assert.equal(new Set(begun).size, files.length);
        assert.equal(begun.length, files.length);
        // Nothing but exclusive files comes after the first of them.
        const first = begun.findIndex((file) => file.weight === "exclusive");
        if (first >= 0) assert.ok(begun.slice(first).every((file) => file.weight === "exclusive"));
      },
    ),
  );
});

Deno.test("plan: counts and left-out tests are read from the output of deno test", () => {
  const output = `running 3 tests from ./a.test.ts
works with steps ...
  one ... ok (1ms)
works with steps ... ok (2ms)
sees a page (left out: no firefox) ... ignored (0ms)

FAILED | 4 passed (1 step) | 2 failed (3 steps) | 1 ignored | 5 filtered out (51ms)
`;
  assert.deepEqual(readOutput(output), {
    passed: 4,
    failed: 2,
    ignored: ["sees a page (left out: no firefox)"],
  });
});

Deno.test("plan: a test that prints a summary does not change the counts, and no summary is no result", () => {
  const output = "ok | 9 passed | 9 failed (1ms)\nok | 1 passed | 0 failed (2ms)\n";
  assert.equal(readOutput(output)?.passed, 1);
  assert.equal(readOutput("error: Uncaught (in promise)"), undefined);
});

Deno.test("plan: the last line has the plain form, and names left-out tests only when there are some", () => {
  assert.equal(lastLine({ passed: 3, failed: 0, skipped: 0 }), "3 passed, 0 failed");
  assert.equal(lastLine({ passed: 3, failed: 1, skipped: 2 }), "3 passed, 1 failed, 2 skipped");
});

Deno.test("plan: the command line takes a filter, paths and flags, and refuses what it does not know", () => {
  assert.deepEqual(readArguments(["--filter", "a b", "./tests/hub/", "--no-install"]), {
    paths: ["tests/hub"],
    filter: "a b",
    verbose: false,
    install: false,
  });
  assert.throws(() => readArguments(["--fliter=x"]), /--filter TEXT/);
  assert.throws(() => readArguments(["--filter"]), /wants/);
});

Deno.test("plan: every need names a Debian package and a file by which it is found", () => {
  for (const { files, debian } of Object.values(NEEDS)) {
    assert.match(debian, /^[a-z0-9.+-]+$/);
    assert.ok(files.length > 0 && files.every((file) => file.startsWith("/")));
  }
});

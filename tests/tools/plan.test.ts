import assert from "node:assert/strict";
import { NEEDS } from "../support/needs.ts";
import { ALONE_LIMIT, lastLine, plan, readArguments, readOutput, UNIT_LIMIT } from "./plan.ts";

Deno.test("plan: a file that declares needs runs alone and names each need once", () => {
  const source = `testWith(["firefox", "chromium"], "a", f);\ntestWith(\n  ["chromium"],\n  "b", f);`;
  assert.deepEqual(plan("tests/client/a.test.ts", source), {
    path: "tests/client/a.test.ts",
    alone: true,
    needs: ["chromium", "firefox"],
    limit: ALONE_LIMIT,
  });
});

Deno.test("plan: integration tests run alone, unit tests side by side", () => {
  assert.equal(plan("tests/integration/a.test.ts", "").alone, true);
  assert.equal(plan("tests/hub/a.test.ts", "").alone, false);
  assert.equal(plan("tests/hub/a.test.ts", "").limit, UNIT_LIMIT);
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

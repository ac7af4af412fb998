import assert from "node:assert/strict";
import plugin from "./clocks.ts";

function lint(file: string, source: string): number {
  return Deno.lint.runPlugin(plugin, file, source).length;
}

Deno.test("clocks: the wall clock decides nothing in rooms that decide by time", () => {
  for (
    const source of [
      "const late = Date.now() > due;",
      "const now = Date.now;",
      "const now = new Date();",
      "const entry = { at: Date.now() };",
      "function sweep(now = Date.now()) {}",
    ]
  ) {
    assert.equal(lint("src/session/a.ts", source), 1, source);
    assert.equal(lint("/somewhere/src/hub/a.ts", source), 1, source);
    assert.equal(lint("src/files/a.ts", source), 0, source);
    assert.equal(lint("tests/session/a.test.ts", source), 0, source);
  }
});

Deno.test("clocks: a stamp may be of the wall clock", () => {
  assert.equal(lint("src/handlers/a.ts", "send({ timestamp: Date.now(), payload });"), 0);
  assert.equal(lint("src/handlers/a.ts", "send({ timestamp: of?.timestamp ?? Date.now() });"), 0);
  assert.equal(lint("src/handlers/a.ts", "const day = new Date(0);"), 0);
});

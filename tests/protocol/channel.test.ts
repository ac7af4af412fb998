import assert from "node:assert/strict";
import fc from "fast-check";
import { inboxOf, isChannel, isUserId, matches, matchesAny, namespaceOf } from "../../src/protocol/mod.ts";

Deno.test("channel: a channel is a namespace, a colon and a name", () => {
  for (const name of ["chat:general", "a:b", "doc:0193-x", "user:ann", "x_1-y:a:b:c", "c:~!*"]) {
    assert.ok(isChannel(name), name);
  }
  const wrong = [
    "",
    ":",
    "a:",
    ":a",
    "chat",
    "Chat:x",
    "1a:x",
    "_a:x",
    "a b:x",
    "a:b c",
    "a:\n",
    "a:b\n",
    "a:é",
  ];
  for (const name of [...wrong, `${"a".repeat(33)}:x`, `a:${"x".repeat(223)}`]) {
    assert.ok(!isChannel(name), JSON.stringify(name));
  }
  const longest = `${"a".repeat(32)}:${"x".repeat(222)}`;
  assert.ok(isChannel(longest));
  assert.equal(longest.length, 255);
});

Deno.test("channel: every user id has an inbox that is a channel", () => {
  const printable = fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c));
  fc.assert(fc.property(fc.string({ unit: printable, minLength: 1, maxLength: 128 }), (user) => {
    assert.ok(isUserId(user));
    assert.ok(isChannel(inboxOf(user)));
    assert.equal(namespaceOf(inboxOf(user)), "user");
  }));
  for (const user of ["", "a b", "a\n", "é", "x".repeat(129)]) assert.ok(!isUserId(user));
});

Deno.test("channel: patterns match as a regular expression with .* for each star does", () => {
  const few = fc.string({ unit: fc.constantFrom("a", "b", ":", "*", ".", "("), maxLength: 8 });
  const text = fc.string({ unit: fc.constantFrom("a", "b", ":", ".", "("), maxLength: 12 });
  fc.assert(
    fc.property(few, text, (pattern, channel) => {
      const model = new RegExp(`^${pattern.split("*").map(RegExp.escape).join(".*")}$`, "s");
      assert.equal(matches(pattern, channel), model.test(channel));
    }),
    { numRuns: 5000 },
  );
});

Deno.test("channel: matching a pattern of many stars is not slow", () => {
  // A backtracking matcher would need some 10^30 steps for this one.
  assert.equal(matches("*a".repeat(60) + "b", "a".repeat(250)), false);
  assert.equal(matches("*a".repeat(60), "a".repeat(250)), true);
});

Deno.test("channel: no pattern matches nothing", () => {
  assert.equal(matchesAny([], "chat:x"), false);
  assert.equal(matchesAny(["doc:*", "chat:*"], "chat:x"), true);
});

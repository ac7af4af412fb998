/** Typed lines: words, quotes, arguments by place and by name. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { checkArguments, readArguments, readLine, usageOf, wordsOf } from "../../src/hub/bot_line.ts";
import type { BotArgument, BotCommandSpec } from "../../src/protocol/mod.ts";

const spec = (...args: BotArgument[]): BotCommandSpec => ({ name: "c", args });
const texts = (line: string) => {
  const words = wordsOf(line);
  return typeof words === "string" ? words : words.map(({ text }) => text);
};

Deno.test("bot lines: quotes hold words together and a backslash takes what follows as it is", () => {
  const cases: [string, string[] | string][] = [
    ["", []],
    ["  a  b\tc\n", ["a", "b", "c"]],
    ['"a b" c', ["a b", "c"]],
    ["'a b' \u201cc d\u201d \u2018e f\u2019 \u201eg h\u201c", ["a b", "c d", "e f", "g h"]],
    ["don't it's", ["don't", "it's"]],
    ['say"no" x', ['say"no"', "x"]],
    ['a\\ b \\"c \\\\', ["a b", '"c', "\\"]],
    ['"a \\" b"', ['a " b']],
    ['"" x', ["", "x"]],
    ['"a b', "a quote is not closed"],
    ['"a"b c', ["ab", "c"]],
    ['name="a b" c=d', ["name=a b", "c=d"]],
    ["a\\", ["a\\"]],
  ];
  for (const [line, words] of cases) assert.deepEqual(texts(line), words, line);
});

Deno.test("bot lines: what is a command, what is a message with a slash, and what is neither", () => {
  const cases: [string, unknown][] = [
    ["/poll", { word: "poll", rest: "" }],
    ["/Poll  a b ", { word: "poll", rest: "a b" }],
    ["/poll\na", { word: "poll", rest: "a" }],
    ["//poll a", { text: "/poll a" }],
    ["////poll", { text: "///poll" }],
    ["// poll", undefined],
    ["/", undefined],
    ["/ poll", undefined],
    ["/etc/passwd", undefined],
    ["/1", undefined],
    [`/${"a".repeat(33)}`, undefined],
    [" /poll", undefined],
    ["poll", undefined],
  ];
  for (const [text, line] of cases) assert.deepEqual(readLine(text), line, text);
});

Deno.test("bot lines: arguments have their types, bounds and defaults", () => {
  const command = spec(
    { name: "size", type: "string", choices: ["S", "M"] },
    { name: "n", type: "integer", min: 1, max: 9 },
    { name: "on", type: "boolean", default: false },
    { name: "who", type: "user", optional: true },
    { name: "tags", type: "string", list: true, optional: true, max: 3 },
  );
  const read = (line: string) => {
    const read = readArguments(command, line);
    return "args" in read ? read.args : read.wrong;
  };
  assert.deepEqual(read("s 3"), { size: "S", n: 3, on: false });
  assert.deepEqual(read("M 3 yes @ann a bb"), { size: "M", n: 3, on: true, who: "ann", tags: ["a", "bb"] });
  assert.deepEqual(read("who=bob n=2 M"), { size: "M", n: 2, on: false, who: "bob" });
  assert.equal(read("XL 3"), "size: one of S, M");
  assert.equal(read("S"), "n: missing");
  assert.equal(read("S x"), "n: a whole number");
  assert.equal(read("S 0x3"), "n: a whole number");
  assert.equal(read("S 10"), "n: at most 9");
  assert.equal(read("S 3 perhaps"), "on: yes or no");
  assert.equal(read("S 3 no ann abcd"), "tags: at most 3 characters");
  const rest = spec({ name: "a", type: "string" }, { name: "all", type: "string", rest: true });
  assert.deepEqual(readArguments(rest, `x  it's "so"  `), { args: { a: "x", all: `it's "so"` } });
  assert.deepEqual(readArguments(spec(), "x"), { wrong: "more arguments than the command has" });
});

Deno.test("bot lines: arguments that come by name are checked alike, and no other names are taken", () => {
  const command = spec({ name: "n", type: "integer", min: 1 }, { name: "t", type: "string", default: "d" });
  assert.deepEqual(checkArguments(command, { n: 1 }), { args: { n: 1, t: "d" } });
  for (
    const [args, wrong] of [
      [{}, "n: missing"],
      [{ n: "1" }, "n: a whole number"],
      [{ n: 0 }, "n: at least 1"],
      [{ n: 1, x: 1 }, "args: the command has n, t"],
      [[1], "args: an object by the names of the arguments"],
      [null, "args: an object by the names of the arguments"],
      [{ n: 1, t: 5 }, "t: a text"],
      [JSON.parse('{"n":1,"__proto__":{"t":1}}'), "args: the command has n, t"],
    ] as const
  ) assert.deepEqual(checkArguments(command, args), { wrong });
});

Deno.test("bot lines: how a command is used is said in one line", () => {
  const command = spec(
    { name: "size", type: "string", choices: ["S", "M"] },
    { name: "n", type: "integer", optional: true },
    { name: "tags", type: "string", list: true, optional: true },
  );
  assert.equal(usageOf("shop", command), "/shop c <S|M> [n] [tags...]");
  assert.equal(usageOf("c", spec({ name: "x", type: "user" })), "/c <x>");
});

const type = fc.constantFrom("string" as const, "number" as const, "integer" as const, "boolean" as const);
const text = fc.string({ maxLength: 12, unit: "grapheme" }).filter((text) =>
  !/[\u2018\u201c\u201e]/.test(text)
);
const quoted = (word: string) => `"${word.replace(/[\\"]/g, "\\$&")}"`;

/** Arguments of every kind, and values for them. */
const filled = fc.array(fc.tuple(type, fc.boolean()), { maxLength: 6 }).chain((types) =>
  fc.tuple(
    fc.constant(
      types.map(([type, named], at): [BotArgument, boolean] => [{ name: `a${at}`, type }, named]),
    ),
    fc.tuple(
      ...types.map(([type]): fc.Arbitrary<unknown> =>
        type === "string"
          ? text
          : type === "boolean"
          ? fc.boolean()
          : type === "integer"
          ? fc.maxSafeInteger()
          : fc.double({ noNaN: true, noDefaultInfinity: true })
      ),
    ),
    fc.option(fc.array(text, { minLength: 1, maxLength: 4 }), { nil: undefined }),
  )
);

/** Validates: what is written as a line, quoted, by place or by name, is read as it was. */
Deno.test("Feature: quic-transport, Property 190: typed arguments are read as they were written", () => {
  fc.assert(
    fc.property(filled, ([specs, values, list]) => {
      const args = specs.map(([arg]) => arg);
      const write = (value: unknown) => typeof value === "string" ? quoted(value) : String(value);
      const named = specs.flatMap(([{ name }, isNamed], at) =>
        isNamed ? [`${name}=${write(values[at])}`] : []
      );
      const placed = specs.flatMap(([, isNamed], at) => isNamed ? [] : [write(values[at])]);
      const rest: BotArgument[] = list === undefined ? [] : [{ name: "rest", type: "string", list: true }];
      const line = [...named, ...placed, ...(list ?? []).map(quoted)].join(" ");
      const expected: Record<string, unknown> = {};
      args.forEach(({ name }, at) => expected[name] = values[at]);
      if (list !== undefined) expected.rest = list;
      const read = readArguments(spec(...args, ...rest), line);
      assert.ok("args" in read, JSON.stringify(read));
      // A line knows no negative zero of its own, but reads the one that is written.
      assert.deepEqual(
        JSON.parse(JSON.stringify(read.args)),
        JSON.parse(JSON.stringify(expected)),
        line,
      );
      assert.deepEqual(checkArguments(spec(...args, ...rest), expected), { args: expected });
    }),
    { numRuns: 300 },
  );
});

/** Validates: no line, however it is written, does more than be refused. */
Deno.test("Feature: quic-transport, Property 191: any typed line is read or refused", () => {
  const line = fc.string({ maxLength: 200, unit: fc.constantFrom(..."\"'\\ =abn1/\u201c\u201d-\t") });
  const command = spec(
    { name: "n", type: "number", optional: true },
    { name: "a", type: "string", optional: true },
    { name: "b", type: "string", list: true, optional: true },
  );
  fc.assert(
    fc.property(line, (line) => {
      const read = readArguments(command, line);
      if ("args" in read) assert.ok("args" in checkArguments(command, read.args));
      else assert.equal(typeof read.wrong, "string");
      const words = wordsOf(line);
      if (typeof words !== "string") {
        // Words are in the line, one behind another.
        let last = -1;
        for (const { start } of words) {
          assert.ok(start > last && !/\s/.test(line[start]!));
          last = start;
        }
      }
    }),
    { numRuns: 500 },
  );
});

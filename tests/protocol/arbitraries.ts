/** What messages are made of, for property tests. */

import fc from "fast-check";
import type { Message } from "../../src/protocol/mod.ts";

/** JSON as it may travel: no -0 (JSON has no word for it), no key `__proto__`. */
export const json = (depth: number): fc.Arbitrary<unknown> =>
  fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: depth, depthSize: "small" },
      fc.string({ unit: "binary" }),
      fc.string({ unit: "grapheme", maxLength: 80 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0 || 0),
      fc.integer({ min: -(2 ** 31), max: 2 ** 32 }),
      fc.maxSafeInteger().map((n) => n || 0),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 20 }),
      fc.dictionary(key, tie("value"), { maxKeys: 20, noNullPrototype: true }),
    ),
  })).value;

const key = fc.string({ unit: "grapheme", maxLength: 40 }).filter((k) => k !== "__proto__");

const printable = fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c));
/** 1 to `max` printable ASCII characters. */
export const name = (max: number): fc.Arbitrary<string> =>
  fc.string({ unit: printable, minLength: 1, maxLength: max });

/** Any bytes. */
export const bytes: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 300 });

/** A message without bytes, the same in both forms. */
export const message: fc.Arbitrary<Message> = fc.record({
  type: fc.stringMatching(/^[a-z][a-z0-9_]{0,63}$/),
  id: name(64),
  timestamp: fc.integer({ min: 0, max: 8.64e15 }),
  re: fc.option(name(64), { nil: undefined }),
  payload: fc.dictionary(key, json(6), { maxKeys: 12, noNullPrototype: true }),
}).map(({ re, ...rest }) => re === undefined ? rest : { ...rest, re });

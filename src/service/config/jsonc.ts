/**
 * JSON with comments and trailing commas: values, and the place of each in the file.
 *
 * @module
 */

import type { Node, ParseError } from "jsonc-parser";
import type { Problem } from "./problem.ts";
import { keyOf, type Path } from "./shape.ts";

/** A parsed file. */
export interface Document {
  /** `undefined` when the syntax is wrong, or nothing but white space and comments is there. */
  readonly value: unknown;
  /** The place of each value, by {@link keyOf}: `skein.jsonc:4:12`. */
  readonly locations: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

/** Syntax errors that are reported: further ones are consequences of the first. */
const MOST_ERRORS = 5;
/** Deepest nesting: no configuration needs more, and recursion can bear it. */
const DEEPEST = 64;

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Line and column, both from 1, of an offset. */
function position(starts: readonly number[], offset: number): string {
  let low = 0, high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return `${low + 1}:${offset - starts[low]! + 1}`;
}

/** How deep brackets nest outside of strings and comments; counted before parsing, which recurses. */
function depth(text: string): number {
  let now = 0, most = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[^]*?\*\/|[[\]{}]/g)) {
    if (token === "[" || token === "{") most = Math.max(most, ++now);
    else if (token === "]" || token === "}") now--;
  }
  return most;
}

/** Parses `text`; `name` is what locations call the file. Loads the parser at first use, because a start without a file does not need it. */
export async function parseDocument(text: string, name: string): Promise<Document> {
  const locations = new Map<string, string>();
  const problems: Problem[] = [];
  const fail = (key: string, message: string, where: string) => problems.push({ key, message, where });
  const body = text.startsWith("\ufeff") ? text.slice(1) : text;
  if (depth(body) > DEEPEST) {
    fail("(file)", `nests deeper than ${DEEPEST} levels`, name);
    return { value: undefined, locations, problems };
  }
  const jsonc = (await import("jsonc-parser")).default;
  const starts = lineStarts(body);
  const at = (offset: number) => `${name}:${position(starts, offset)}`;

  const errors: ParseError[] = [];
  const tree = jsonc.parseTree(body, errors, { allowTrailingComma: true, allowEmptyContent: true });
  for (const error of errors.slice(0, MOST_ERRORS)) {
    const path = jsonc.getLocation(body, error.offset).path.filter((step) => step !== "");
    const what = jsonc.printParseErrorCode(error.error).replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
    fail(path.length === 0 ? "(file)" : keyOf(path), `syntax error: ${what}`, at(error.offset));
  }
  if (problems.length > 0) return { value: undefined, locations, problems };

  // The place of a member is the place of its key.
  const valueOf = (node: Node, path: Path, offset = node.offset): unknown => {
    locations.set(keyOf(path), at(offset));
    if (node.type === "array") {
      return (node.children ?? []).map((child, index) => valueOf(child, [...path, index]));
    }
    if (node.type !== "object") return node.value;
    // Without a prototype the key `__proto__` is a key like any other.
    const object: Record<string, unknown> = Object.create(null);
    for (const property of node.children ?? []) {
      const [name, value] = property.children ?? [];
      if (name === undefined || value === undefined) continue;
      const inner = [...path, String(name.value)];
      if (String(name.value) in object) {
        fail(keyOf(inner), `given twice; first at ${locations.get(keyOf(inner))}`, at(name.offset));
        continue;
      }
      object[String(name.value)] = valueOf(value, inner, name.offset);
    }
    return object;
  };
  if (tree === undefined) {
    // Half of a write looks like this as well, and defaults are not what anybody wrote.
    fail("(file)", "is empty; {} stands for a configuration without settings", name);
    return { value: undefined, locations, problems };
  }
  return { value: valueOf(tree, []), locations, problems };
}

/**
 * The module graph of `src/`: who imports which names of whom. Read from the text, because the formatter puts every
 * import and export of a module at the start of a line. Each check is a pure function that returns one line for each
 * finding.
 *
 * @module
 */

import type { Files } from "./repository.ts";

/** A use of another module. */
export interface Import {
  /** The module, by its path from the root. */
  readonly from: string;
  /** The names as that module exports them; undefined is all of them. */
  readonly names: readonly string[] | undefined;
  /** `import("./a.ts")`: loaded when needed, so that it makes no circle. */
  readonly isDynamic: boolean;
}

/** A name that a module exports. */
export interface Export {
  readonly name: string;
  readonly line: number;
  /** Where the name comes from, when the module only passes it on. */
  readonly origin?: { readonly from: string; readonly name: string };
  /** The docstring says that only tests need the export. */
  readonly isForTests: boolean;
  readonly isType: boolean;
  /** Its own module mentions the name elsewhere. */
  readonly isUsedInside: boolean;
}

/** One module's imports and exports. */
export interface Module {
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  /** Modules whose every export it passes on. */
  readonly passesOn: readonly string[];
}

/** Modules by their path from the root. */
export type Modules = ReadonlyMap<string, Module>;

/** What the docstring of an export says that nothing but tests imports. */
export const FOR_TESTS = "Exported for tests.";

const CODE = /\.[cm]?[jt]sx?$/;
const IMPORT =
  /^import\s+(?:type\s+)?([^"'`;]*?)\s*from\s+"(\.[^"]+)"(\s+with\s*\{\s*type:\s*"text"\s*\})?/gm;
const EFFECTS = /^import\s+"(\.[^"]+)"/gm;
const DYNAMIC = /\bimport\(\s*"(\.[^"]+)"\s*\)/g;
const PASSED = /^export\s+(?:type\s+)?\{([^}]*)\}(?:\s*from\s+"([^"]+)")?/gm;
const ALL_PASSED = /^export\s+\*\s+(?:as\s+(\w+)\s+)?from\s+"(\.[^"]+)"/gm;
const DECLARED =
  /^export\s+(?:declare\s+)?(?:default\s+)?(?:abstract\s+)?(?:async\s+)?(?:class|const enum|enum|function\*?|interface|type|namespace)\s+(\w+)/gm;
const TYPE = /^export\s+(?:declare\s+)?(?:interface|type)\s+\w/;
const VALUES = /^export\s+(?:const|let|var)\s+/gm;
const DEFAULT = /^export\s+default\b/gm;

/** Reads the modules among the files. */
export function readModules(files: Files): Map<string, Module> {
  const modules = new Map<string, Module>();
  for (const [path, text] of files) {
    if (CODE.test(path)) modules.set(path, readModule(path, text));
  }
  return modules;
}

function readModule(path: string, source: string): Module {
  const text = withoutComments(source);
  const at = (specifier: string): string => resolve(path, specifier);
  const imports: Import[] = [];
  for (const [, clause, specifier, asText] of text.matchAll(IMPORT)) {
    // Whoever gets the text may use every name in it.
    const names = asText === undefined ? importedNames(clause!, text) : undefined;
    imports.push({ from: at(specifier!), names, isDynamic: false });
  }
  for (const [, specifier] of text.matchAll(EFFECTS)) {
    imports.push({ from: at(specifier!), names: [], isDynamic: false });
  }
  for (const [, specifier] of text.matchAll(DYNAMIC)) {
    imports.push({ from: at(specifier!), names: undefined, isDynamic: true });
  }
  const found = new Map<string, Export>();
  const add = (name: string, index: number, origin?: Export["origin"]): void => {
    const line = text.slice(0, index).split("\n").length;
    const isForTests = docstringBefore(source, line).includes(FOR_TESTS);
    const isType = TYPE.test(text.slice(index, text.indexOf("\n", index)));
    const isUsedInside = (text.match(new RegExp(`(?<!\\.)\\b${name}\\b`, "g"))?.length ?? 0) > 1;
    found.set(name, { name, line, isForTests, isType, isUsedInside, ...(origin && { origin }) });
  };
  for (const match of text.matchAll(PASSED)) {
    const from = match[2]?.startsWith(".") ? at(match[2]) : undefined;
    const names = listedNames(match[1]!);
    if (from !== undefined) imports.push({ from, names: [], isDynamic: false });
    for (const [name, alias] of names) {
      add(alias, match.index, from === undefined ? undefined : { from, name });
    }
  }
  const passesOn: string[] = [];
  for (const match of text.matchAll(ALL_PASSED)) {
    const from = at(match[2]!);
    imports.push({ from, names: match[1] === undefined ? [] : undefined, isDynamic: false });
    if (match[1] === undefined) passesOn.push(from);
    else add(match[1], match.index);
  }
  for (const match of text.matchAll(DEFAULT)) add("default", match.index);
  for (const match of text.matchAll(DECLARED)) {
    if (!/^export\s+default\b/.test(match[0])) add(match[1]!, match.index);
  }
  for (const match of text.matchAll(VALUES)) {
    for (const name of declaredValues(text.slice(match.index + match[0].length))) add(name, match.index);
  }
  return { imports, exports: [...found.values()], passesOn };
}

/** Comments replaced by spaces: the lines stay where they are. Strings are kept whole. */
function withoutComments(text: string): string {
  const blank = (part: string): string => part.replace(/[^\n]/g, " ");
  return text.replace(
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\*[\s\S]*?\*\/|(?<=^|[\s;{}(,])\/\/[^\n]*/g,
    (part) => part.startsWith("/") ? blank(part) : part.startsWith("`") ? part.replace(/\n/g, "\n ") : part,
  );
}

/** `a, type b as c` as pairs of a name and what it is called here. */
function listedNames(list: string): [name: string, alias: string][] {
  return list.split(",").map((part) => part.trim().replace(/^type\s+/, "")).filter((part) => part !== "")
    .map((part) => {
      const [name, alias] = part.split(/\s+as\s+/);
      return [name!, alias ?? name!];
    });
}

function importedNames(clause: string, text: string): string[] | undefined {
  const namespace = /\*\s+as\s+(\w+)/.exec(clause)?.[1];
  if (namespace !== undefined) {
    const members = [...text.matchAll(new RegExp(`\\b${namespace}\\.(\\w+)`, "g"))].map((match) => match[1]!);
    // A namespace that is passed on as a value may use every export.
    const isHandedOn = new RegExp(`\\b${namespace}\\b(?!\\.)`).test(text.replace(`* as ${namespace}`, ""));
    return isHandedOn ? undefined : members;
  }
  const names = listedNames(/\{([\s\S]*)\}/.exec(clause)?.[1] ?? "").map(([name]) => name);
  const standard = clause.replace(/\{[\s\S]*\}/, "").replace(/[,\s]/g, "");
  return standard === "" ? names : ["default", ...names];
}

/** The names that `export const` declares: one, a list, or those of a pattern. */
function declaredValues(rest: string): string[] {
  const pattern = /^[{[]([^}\]]*)[}\]]\s*(?::[^=]*)?=/.exec(rest);
  if (pattern !== null) {
    return listedNames(pattern[1]!.replaceAll(/\s*:\s*/g, " as ")).map(([, name]) => name);
  }
  const names: string[] = [];
  let depth = 0, start = true;
  for (const [token] of rest.matchAll(/=>|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|[\w$]+|[^\s\w]/g)) {
    if (start && depth === 0 && /^[\w$]+$/.test(token)) names.push(token);
    start = token === "," && depth === 0;
    if (/^[([{<]$/.test(token)) depth++;
    else if (/^[)\]}>]$/.test(token)) depth--;
    else if (token === ";" && depth === 0) break;
  }
  return names;
}

/** The docstring that ends on the line before `line`, counted from 1. */
function docstringBefore(source: string, line: number): string {
  const lines = source.split("\n").slice(0, line - 1);
  const begin = lines.findLastIndex((text) => text.trimStart().startsWith("/**"));
  const isAdjacent = lines.at(-1)?.trimEnd().endsWith("*/") ?? false;
  return begin < 0 || !isAdjacent ? "" : lines.slice(begin).join(" ").replace(/\s+\*\s+/g, " ");
}

function resolve(path: string, specifier: string): string {
  return decodeURIComponent(new URL(specifier, `file:///${path}`).pathname.slice(1));
}

/** Circles of static imports between modules below `src/`: each once, from its first module in order. */
export function importCircles(modules: Modules): string[] {
  return circles(
    [...modules.keys()].filter((path) => path.startsWith("src/")),
    (path) => modules.get(path)!.imports.filter(({ isDynamic }) => !isDynamic).map(({ from }) => from),
  ).map((members) => members.join(" <-> "));
}

/** Circles of imports between the rooms of `src/`, whatever kind of import it is. */
export function roomCircles(modules: Modules): string[] {
  const rooms = new Map<string, Set<string>>();
  for (const [path, { imports }] of modules) {
    const room = roomOf(path);
    if (room === undefined) continue;
    const known = rooms.get(room) ?? new Set();
    rooms.set(room, known);
    for (const { from } of imports) {
      const other = roomOf(from);
      if (other !== undefined && other !== room) known.add(other);
    }
  }
  return circles([...rooms.keys()], (room) => [...rooms.get(room) ?? []])
    .map((members) => members.map((room) => `${room}/`).join(" <-> "));
}

function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** The groups of more than one node that all reach each other (Tarjan's strongly connected components). */
function circles(nodes: readonly string[], next: (node: string) => Iterable<string>): string[][] {
  const known = new Set(nodes), order = new Map<string, number>(), low = new Map<string, number>();
  const stack: string[] = [], found: string[][] = [];
  const visit = (node: string): void => {
    order.set(node, order.size);
    low.set(node, order.get(node)!);
    stack.push(node);
    for (const other of next(node)) {
      if (!known.has(other)) continue;
      if (!order.has(other)) visit(other);
      // A node that has left the stack belongs to a group that is complete.
      if (stack.includes(other)) low.set(node, Math.min(low.get(node)!, low.get(other)!));
    }
    if (low.get(node) !== order.get(node)) return;
    const group = stack.splice(stack.indexOf(node));
    if (group.length > 1) found.push(group.sort());
  };
  for (const node of [...nodes].sort()) if (!order.has(node)) visit(node);
  return found.sort();
}

/**
 * Exports below `src/` that no other module of the product imports and that no door of the package passes on. `doors`
 * are modules, all of whose exports are public. Two kinds of export are left alone: a type that its own module mentions,
 * because callers meet it in a signature and need not name it; and a part of a module whose docstring says `FOR_TESTS`
 * and that a test imports.
 */
export function unusedExports(modules: Modules, doors: readonly string[]): string[] {
  const inProduct = new Set<string>(), inTests = new Set<string>();
  const use = (uses: Set<string>, path: string, name: string): void => {
    const key = `${path} ${name}`;
    if (uses.has(key)) return;
    uses.add(key);
    const module = modules.get(path);
    const origin = module?.exports.find((one) => one.name === name)?.origin;
    if (origin !== undefined) use(uses, origin.from, origin.name);
    else for (const from of module?.passesOn ?? []) use(uses, from, name);
  };
  const useAll = (uses: Set<string>, path: string): void => {
    const module = modules.get(path);
    for (const { name } of module?.exports ?? []) use(uses, path, name);
    for (const from of module?.passesOn ?? []) useAll(uses, from);
  };
  for (const door of doors) useAll(inProduct, door);
  for (const [path, { imports }] of modules) {
    const uses = path.startsWith("src/") || path === "main.ts" ? inProduct : inTests;
    for (const { from, names } of imports) {
      if (names === undefined) useAll(uses, from);
      else for (const name of names) use(uses, from, name);
    }
  }
  const found: string[] = [];
  for (const [path, { exports }] of modules) {
    if (!path.startsWith("src/")) continue;
    for (const { name, line, isForTests, isType, isUsedInside } of exports) {
      const key = `${path} ${name}`;
      if (inProduct.has(key) || (isUsedInside && (isType || (isForTests && inTests.has(key))))) continue;
      found.push(`${path}:${line}: ${inTests.has(key) ? "only tests import" : "nobody imports"} ${name}`);
    }
  }
  return found;
}

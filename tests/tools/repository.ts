/**
 * Rules for the files of this repository. Each check is a pure function: it takes texts and returns one line for each
 * finding.
 *
 * @module
 */

/** Repository files by path from the root, `/`-separated, with their text. */
export type Files = ReadonlyMap<string, string>;

/** A code file of `src/` has at most so many lines; tests, whose cases stand in a row, may have more. */
export const MAX_LINES = { src: 350, other: 400 } as const;

/** What may stand at the top of the repository. */
export const TOP_LEVEL: readonly string[] = [
  ".ci",
  ".github",
  ".gitignore",
  "CHANGELOG.md",
  "LICENSE",
  "README.md",
  "certs",
  "deno.json",
  "deno.lock",
  "deploy",
  "main.ts",
  "src",
  "tests",
];

const CODE = /\.[cm]?[jt]sx?$/;
const TEST = /\.test\.tsx?$/;
const TEST_NAME =
  /^[ \t]*(?:Deno\.test|test|testWith)\((?:\s*\[[^\]]*\],)?\s*(?:\{\s*name:\s*)?(["'`])((?:[^\\]|\\.)*?)\1/gm;
/** Addresses of machines, and names that are reserved for examples and tests (RFC 2606). */
const OWN_HOST = /^[\d.]+$|(?:^|\.)(?:a?example(?:\.(?:com|org|net))?|test|invalid|localhost)$/i;
/** Hosts that only name an XML or JSON dialect. */
const NAMESPACES: readonly string[] = ["json-schema.org", "www.w3.org"];

/** Code files that are longer than `MAX_LINES`. */
export function tooLong(files: Files): string[] {
  const found: string[] = [];
  for (const [path, text] of files) {
    if (!CODE.test(path)) continue;
    const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
    const most = path.startsWith("src/") ? MAX_LINES.src : MAX_LINES.other;
    if (lines > most) found.push(`${path}: ${lines} lines, at most ${most}`);
  }
  return found;
}

// Spelled in parts, so that this file does not hold what it looks for.
const UNFINISHED = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"].join("|")})\\b`);
const LEFT_OUT = new RegExp(
  `\\bDeno\\.test\\.(ig${"nore"}|on${"ly"})\\b|\\b(ig${"nore"}|on${"ly"}):\\s*true\\b`,
);

/** Marks of unfinished work anywhere, and tests that are switched off in their source. */
export function unfinished(files: Files): string[] {
  const found: string[] = [];
  for (const [path, text] of files) {
    text.split("\n").forEach((line, at) => {
      const mark = UNFINISHED.exec(line) ?? (TEST.test(path) ? LEFT_OUT.exec(line) : null);
      if (mark) found.push(`${path}:${at + 1}: ${mark[0]}`);
    });
  }
  return found;
}

/**
 * Relative links and images in Markdown that lead nowhere, also those to a heading. `exists` tells whether a
 * path from the root is there.
 */
export function brokenLinks(files: Files, exists: (path: string) => boolean): string[] {
  const found: string[] = [];
  for (const [path, text] of files) {
    if (!path.endsWith(".md")) continue;
    const prose = text.replace(/^```[\s\S]*?^```/gm, (code) => code.replace(/[^\n]/g, "")).replace(
      /`[^`\n]*`/g,
      "",
    );
    for (const match of prose.matchAll(/\[[^\]\n]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)) {
      const link = match[1]!;
      if (/^[a-z][a-z0-9+.-]*:/i.test(link)) continue;
      const [file, heading] = link.split("#", 2) as [string, string | undefined];
      const target = file === ""
        ? path
        : decodeURIComponent(new URL(file, `file:///${path}`).pathname.slice(1)).replace(/\/$/, "");
      const line = prose.slice(0, match.index).split("\n").length;
      if (!exists(target)) found.push(`${path}:${line}: ${link} leads nowhere`);
      else if (heading && files.has(target) && !headings(files.get(target)!).has(heading)) {
        found.push(`${path}:${line}: no heading #${heading} in ${target}`);
      }
    }
  }
  return found;
}

/** The anchors GitHub gives the headings of a Markdown text. */
export function headings(markdown: string): Set<string> {
  const anchors = new Set<string>();
  const seen = new Map<string, number>();
  for (const [, title] of markdown.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const slug = title!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

/** Names at the top of the repository that have no place there. */
export function strayTopLevel(paths: Iterable<string>): string[] {
  const names = new Set([...paths].map((path) => path.split("/")[0]!));
  return [...names].filter((name) => !TOP_LEVEL.includes(name)).map((name) => `${name} at the top`);
}

/** The properties that the design of the service numbers: each has a test. */
const DESIGNED = { feature: "quic-transport", properties: 26 } as const;
const TAG = /^Feature: ([a-z][a-z-]*), Property ([1-9]\d*): (\S.*?)(?: \((.+)\))?$/s;

/** One tagged test: `Feature: feature, Property number: title`, with a part in brackets when the property has several. */
interface PropertyTest {
  readonly path: string;
  readonly tag: string;
  readonly feature: string;
  readonly number: number;
  readonly title: string;
  /** Whether the comment above says what the test validates. */
  readonly isExplained: boolean;
}

function* propertyTests(files: Files, wrong: (finding: string) => void): Iterable<PropertyTest> {
  for (const [path, text] of files) {
    if (!TEST.test(path)) continue;
    for (const { index, 2: tag } of text.matchAll(TEST_NAME)) {
      if (!tag!.startsWith("Feature:")) continue;
      const match = TAG.exec(tag!);
      if (match === null) {
        wrong(`${path}: not of the form "Feature: name, Property N: title (part)": ${tag}`);
        continue;
      }
      const above = /\/\*\*(?:(?!\*\/)[^])*\*\/\s*$/.exec(text.slice(0, index))?.[0] ?? "";
      const isExplained = above.includes("Validates:");
      yield { path, tag: tag!, feature: match[1]!, number: Number(match[2]), title: match[3]!, isExplained };
    }
  }
}

/**
 * Property tests whose tag has another form, names a property that is another's, or stands twice; that do not say what
 * they validate; or that run fewer than 100 times. Several tests of one property share its number and title, and say in
 * brackets at the end which part of it is theirs.
 */
export function badProperties(files: Files): string[] {
  const found: string[] = [];
  const tests = [...propertyTests(files, (finding) => found.push(finding))];
  const owners = new Map<string, PropertyTest>();
  const free = (feature: string) =>
    1 + Math.max(...tests.filter((test) => test.feature === feature).map(({ number }) => number));
  for (const test of tests) {
    const { path, tag, feature, number, title } = test;
    const twice = owners.get(tag);
    if (twice !== undefined) found.push(`${path}: the same tag stands in ${twice.path}: ${tag}`);
    owners.set(tag, test);
    const numbered = owners.get(`${feature} ${number}`), titled = owners.get(`${feature} ${title}`);
    if (numbered !== undefined && numbered.title !== title) {
      found.push(
        `${path}: Property ${number} of ${feature} is "${numbered.title}" in ${numbered.path}; ` +
          `"${title}" may have number ${free(feature)}`,
      );
    } else if (titled !== undefined && titled.number !== number) {
      found.push(`${path}: "${title}" is Property ${titled.number} in ${titled.path}, not ${number}`);
    }
    if (numbered === undefined) owners.set(`${feature} ${number}`, test);
    if (titled === undefined) owners.set(`${feature} ${title}`, test);
    if (!test.isExplained) {
      found.push(`${path}: no comment "/** Validates: ... */" above Property ${number}: ${title}`);
    }
  }
  for (const [path, text] of files) {
    if (!TEST.test(path)) continue;
    for (const [all, runs] of text.matchAll(/\bnumRuns:\s*([\d_]+)/g)) {
      if (Number(runs!.replaceAll("_", "")) < 100) found.push(`${path}: ${all}, at least 100`);
    }
  }
  return found;
}

/** Properties of the design that no test is tagged with. */
export function untestedProperties(files: Files): string[] {
  const there = new Set(
    [...propertyTests(files, () => {})].map(({ feature, number }) => `${feature} ${number}`),
  );
  const { feature, properties } = DESIGNED;
  return Array.from({ length: properties }, (_, at) => at + 1).filter((number) =>
    !there.has(`${feature} ${number}`)
  )
    .map((number) => `no test is tagged "Feature: ${feature}, Property ${number}: ..."`);
}

/**
 * Tests whose name does not begin with its area ("resume: replays what was missed once"), or that claims two things with
 * a ";". Property tests begin with their tag instead. Names that a test computes are left alone; so is what stands in
 * `${}` within a name.
 */
export function badTestNames(files: Files): string[] {
  const found: string[] = [];
  for (const [path, text] of files) {
    if (!TEST.test(path)) continue;
    for (const { index, 2: name } of text.matchAll(TEST_NAME)) {
      const plain = name!.replace(/\$\{[^}]*\}/g, "x");
      const isFree = plain.startsWith("Feature: ") || name!.startsWith("${");
      const wrong = !isFree && !/^[a-z0-9 ./-]+: \S/.test(plain)
        ? "does not begin with its area"
        : plain.includes(";")
        ? "claims two things"
        : undefined;
      if (wrong === undefined) continue;
      const line = text.slice(0, index).split("\n").length;
      found.push(`${path}:${line}: ${wrong}: ${name}`);
    }
  }
  return found;
}

/** Addresses on the network whose host is somebody else's: what is written here may not depend on it. */
export function foreignHosts(files: Files): string[] {
  const found: string[] = [];
  for (const [path, text] of files) {
    text.split("\n").forEach((line, at) => {
      for (const [, host] of line.matchAll(/\b(?:https?|wss?|quic):\/\/([a-z0-9-]+(?:\.[a-z0-9-]+)+)/gi)) {
        if (!OWN_HOST.test(host!) && !NAMESPACES.includes(host!)) found.push(`${path}:${at + 1}: ${host}`);
      }
    });
  }
  return found;
}

/** Names of the protocol's tables that its document does not mention as code. */
export function undocumented(names: Iterable<string>, markdown: string): string[] {
  return [...names].filter((name) => !markdown.includes(`\`${name}`) && !markdown.includes(`"${name}"`))
    .map((name) => `${name} is not in PROTOCOL.md`);
}

/**
 * What the output of `deno doc --lint` has against the public modules. Left out: members without a docstring,
 * where the type they belong to has one, and types of packages, which are public there. `root` is the
 * repository's absolute path with `/` at its end.
 */
export function documentationProblems(output: string, files: Files, root: string): string[] {
  const found: string[] = [];
  for (
    const [, code, message, file, line] of output.matchAll(
      /^error\[([\w-]+)\]: (.*)\n\s*--> (.*):(\d+):\d+$/gm,
    )
  ) {
    const path = file!.startsWith(root) ? file!.slice(root.length) : file!;
    const text = files.get(path) ?? "";
    const source = text.split("\n")[Number(line) - 1] ?? "";
    if (code === "missing-jsdoc" && /^\s/.test(source)) continue;
    const type = /references private type '(\w+)'/.exec(message!)?.[1];
    if (code === "private-type-ref" && type !== undefined && isOfPackage(type, text)) continue;
    found.push(`${path}:${line}: ${message}`);
  }
  return found;
}

/** Whether a module's text takes the type from a package: `{ Type }` or `* as p` with `p.Type`. */
function isOfPackage(type: string, text: string): boolean {
  for (const [, names] of text.matchAll(/^import (?:type )?(.*?) from "[^".][^"]*";$/gms)) {
    const whole = /^\* as (\w+)$/.exec(names!)?.[1];
    if (whole ? text.includes(`${whole}.${type}`) : new RegExp(`\\b${type}\\b`).test(names!)) return true;
  }
  return false;
}

const UNTOUCHED = ["<!-- deno-fmt-ignore-start -->", "<!-- deno-fmt-ignore-end -->"] as const;

/** The README with this table of settings between its marks. Throws when they are not there. */
export function withConfiguration(readme: string, table: string): string {
  return withGenerated(readme, "configuration", table);
}

/** `page` with `text` between the marks of `name`. Throws when it has no such marks. */
export function withGenerated(page: string, name: string, text: string): string {
  const first = `<!-- ${name}: begin -->`, last = `<!-- ${name}: end -->`;
  const begin = page.indexOf(first), end = page.indexOf(last);
  if (begin < 0 || end < begin) throw new Error(`the page has no ${first} ... ${last}`);
  const inner = ["", UNTOUCHED[0], "", text.trim(), "", UNTOUCHED[1], ""].join("\n");
  return page.slice(0, begin + first.length) + inner + page.slice(end);
}

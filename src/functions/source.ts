/**
 * The source of a function: its file and those it imports, read and made ready by the service, so that an isolate needs
 * no permission to read.
 *
 * @module
 */

import { stripTypeScriptTypes } from "node:module";
import { init, parse } from "es-module-lexer";
import AUTHOR_FILE from "./author/skein.ts" with { type: "text" };
import { FunctionError } from "./contract.ts";

/** The file that functions import `defineFunction` and their types from. */
export const TYPES_FILE = { name: "skein.ts", text: AUTHOR_FILE } as const;

/** Most bytes of all files of a function. */
const MAX_SOURCE = 4 * 1024 * 1024;
/** Most files of a function. */
const MAX_FILES = 256;
const CODE = /\.(ts|js|mjs|mts)$/;

/** A module, as an isolate takes it: code in parts, and between them the numbers of modules before it. */
export interface SourceModule {
  readonly name: string;
  readonly json: boolean;
  readonly code: readonly (string | number)[];
}

/** A function's source. */
export interface Source {
  /** Each after those that it imports; the function itself is the last one. */
  readonly modules: readonly SourceModule[];
  /** Differs for every other content. */
  readonly hash: string;
  /** Whether the file has a default export, as a function has. What others import needs none. */
  readonly hasDefault: boolean;
}

/**
 * Reads a function and what it imports. `file` is its name in `directory`. Rejects with FunctionError `load`, whose
 * message begins with file, line and column.
 */
export async function readSource(directory: string, file: string): Promise<Source> {
  await init;
  const reader = new SourceReader(await Deno.realPath(directory));
  try {
    await reader.add(file, []);
  } catch (error) {
    if (error instanceof FunctionError) throw error;
    throw new FunctionError("load", `${file}: ${error instanceof Error ? error.message : error}`);
  }
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(JSON.stringify(reader.modules)),
  );
  const { modules, hasDefault } = reader;
  return { modules, hasDefault, hash: new Uint8Array(digest).toHex() };
}

class SourceReader {
  readonly modules: SourceModule[] = [];
  /** Of the file that was added last. */
  hasDefault = false;
  readonly #root: string;
  readonly #known = new Map<string, number>();
  #size = 0;

  constructor(root: string) {
    this.#root = root;
  }

  /** Adds a file and what it imports; resolves with its number. `above`: the files that wait for it. */
  async add(file: string, above: readonly string[]): Promise<number> {
    const known = this.#known.get(file);
    if (known !== undefined) return known;
    if (this.#known.size + above.length >= MAX_FILES) throw refusal(file, `more than ${MAX_FILES} files`);
    const text = await this.#read(file);
    const json = file.endsWith(".json");
    const code = json ? [text] : await this.#link(file, text, [...above, file]);
    const number = this.modules.push({ name: file, json, code }) - 1;
    this.#known.set(file, number);
    return number;
  }

  async #read(file: string): Promise<string> {
    if (file === TYPES_FILE.name) return TYPES_FILE.text;
    const path = await Deno.realPath(`${this.#root}/${file}`);
    const text = await Deno.readTextFile(path);
    this.#size += text.length;
    if (this.#size > MAX_SOURCE) throw refusal(file, `more than ${MAX_SOURCE} bytes with what it imports`);
    return text;
  }

  /** Takes the types away and cuts the code where the names of other modules stand. */
  async #link(file: string, text: string, path: readonly string[]): Promise<(string | number)[]> {
    const code = strip(file, text);
    const parts: (string | number)[] = [];
    let at = 0;
    const [imports, exports] = parsed(file, code);
    for (const { n: specifier, s: start, e: end, d: kind } of imports) {
      // import.meta
      if (kind === -2) continue;
      const place = placeOf(file, code, start);
      if (specifier === undefined) {
        throw refusal(place, "import() of a name that is computed: the service has to know all files before");
      }
      const target = await this.#resolve(file, specifier, place);
      if (path.includes(target)) {
        throw refusal(place, `a circle of imports: ${[...path, target].join(" -> ")}`);
      }
      const number = await this.add(target, path);
      // Of a dynamic import the quotes are part of what is found.
      const quoted = kind >= 0;
      parts.push(code.slice(at, start), ...quoted ? ['"', number, '"'] : [number]);
      at = end;
    }
    parts.push(code.slice(at));
    this.hasDefault = exports.some(({ n: name }) => name === "default");
    return parts;
  }

  /** The file that an import means, named from the root. Rejects when it may not be imported. */
  async #resolve(from: string, specifier: string, place: string): Promise<string> {
    if (!/^\.\.?\//.test(specifier)) {
      throw refusal(
        place,
        `${specifier}: a function imports files of its folder alone, by names such as "./words.ts"`,
      );
    }
    const path = new URL(specifier, `file:///${from}`).pathname.slice(1);
    const target = decodeURIComponent(path);
    // A URL does not climb above its root, so that "../../x" would silently be another file.
    const climbs = specifier.split("/").filter((part) => part === "..").length;
    if (climbs > from.split("/").length - 1) {
      throw refusal(place, `${specifier}: outside of the folder of functions`);
    }
    if (!CODE.test(target) && !target.endsWith(".json")) {
      throw refusal(place, `${specifier}: only .ts, .js and .json files can be imported`);
    }
    if (target === TYPES_FILE.name) return target;
    let real: string;
    try {
      real = await Deno.realPath(`${this.#root}/${target}`);
    } catch {
      throw refusal(place, `${specifier}: no such file`);
    }
    // Kubernetes shows a ConfigMap through links inside of its own directory.
    if (!real.startsWith(`${this.#root}/`)) {
      throw refusal(place, `${specifier}: leads out of the folder of functions`);
    }
    return target;
  }
}

function refusal(place: string, why: string): FunctionError {
  return new FunctionError("load", `${place}: ${why}`, { message: why, at: place });
}

function placeOf(file: string, code: string, at: number): string {
  const lines = code.slice(0, at).split("\n");
  return `${file}:${lines.length}:${lines.at(-1)!.length + 1}`;
}

function parsed(file: string, code: string): ReturnType<typeof parse> {
  try {
    return parse(code, file);
  } catch (error) {
    const at = (error as { idx?: number }).idx ?? 0;
    throw refusal(placeOf(file, code, at), "syntax error");
  }
}

/** Takes the types away and leaves every line and column where it was. */
function strip(file: string, text: string): string {
  try {
    return stripTypeScriptTypes(text, { mode: "strip" });
  } catch (error) {
    throw syntaxError(file, text, error as Error);
  }
}

/** The runtime names the place only in one of two modes, depending on what is wrong. */
function syntaxError(file: string, text: string, first: Error): FunctionError {
  const messages = [first.message];
  try {
    stripTypeScriptTypes(text, { mode: "transform" });
  } catch (second) {
    messages.unshift((second as Error).message);
  }
  for (const message of messages) {
    const place = /:(\d+):(\d+)\s*$/.exec(message);
    if (place === null) continue;
    const [said] = message.replace(/\s+at file:\S+\s*$/, "").replace(/^SyntaxError: /, "").split("\n");
    return refusal(`${file}:${place[1]}:${place[2]}`, said!);
  }
  return refusal(`${file}:1:1`, "syntax error");
}

/**
 * Loads the configuration: defaults, then a file, then environment variables, then flags.
 *
 * @module
 */

import { readEnvironment } from "./environment.ts";
import { type Flags, readFlags } from "./flags.ts";
import { parseDocument } from "./jsonc.ts";
import { type Layers, overlay } from "./layers.ts";
import type { Problem, Source } from "./problem.ts";
import type { Config } from "./schema.ts";
import { validate } from "./validate.ts";

/** Where to load from. */
export interface LoadOptions {
  /** The file. @default none */
  readonly path?: string | undefined;
  /** Its text, when it has been read already; `path` then only names it. */
  readonly text?: string | undefined;
  /** Environment variables; those that begin with `SKEIN_` and `PORT` are read. @default none */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** @default none */
  readonly flags?: Flags | undefined;
}

/** A configuration without problems, or problems. */
export type LoadResult =
  & (
    | { readonly config: Config; readonly problems: readonly [] }
    | { readonly config: undefined; readonly problems: readonly [Problem, ...Problem[]] }
  )
  & {
    /** Where values came from, by dotted key; what is not here is a default. */
    readonly sources: ReadonlyMap<string, Source>;
  };

/** Largest file that is read. */
const LARGEST = 1024 * 1024;

/** The text of a file. Rejects when it cannot be read, is larger than 1 MiB, or is not UTF-8. */
export async function readText(path: string): Promise<string> {
  const { size, isDirectory } = await Deno.stat(path);
  if (isDirectory) throw new Error("it is a directory");
  if (size > LARGEST) throw new Error("it is larger than 1 MiB");
  const bytes = await Deno.readFile(path);
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

function failure(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return "not permitted";
  }
  if (error instanceof TypeError) return "it is not UTF-8";
  return error instanceof Error ? error.message : String(error);
}

/**
 * Loads and validates everything as a whole. Never throws: `problems` has one entry for each wrong key, in the order
 * file, environment, flags, rules.
 */
export async function loadConfig(options: LoadOptions = {}): Promise<LoadResult> {
  const problems: Problem[] = [];
  let unread = false;
  let layers: Layers = { value: {}, sources: new Map() };
  const { path, env = {}, flags = {} } = options;
  if (path !== undefined || options.text !== undefined) {
    const name = path ?? "(text)";
    try {
      const document = await parseDocument(options.text ?? await readText(name), name);
      problems.push(...document.problems);
      const sources = new Map<string, Source>();
      for (const [key, where] of document.locations) sources.set(key, { layer: "file", where });
      if (document.value !== undefined) layers = { value: document.value, sources };
      else unread = true;
    } catch (error) {
      unread = true;
      problems.push({ key: "(file)", message: `cannot be read: ${failure(error)}`, where: name });
    }
  }
  const environment = readEnvironment(env);
  const flagged = readFlags(flags);
  problems.push(...environment.problems, ...flagged.problems);
  layers = overlay(overlay(layers, environment.entries), flagged.entries);
  const result = validate(layers, env.SKEIN_ENV);
  // The file could not be read: rules would report settings that it may well hold.
  if (!unread) problems.push(...result.problems);
  const sources = layers.sources;
  const [first, ...others] = problems;
  if (first !== undefined) return { config: undefined, problems: [first, ...others], sources };
  return { config: result.config!, problems: [], sources };
}

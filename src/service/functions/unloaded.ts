/**
 * The functions that were there at the start and have not loaded since: which messages one of them may have to see.
 *
 * @module
 */

import { type Matches, parseManifest, TYPES_FILE } from "../../functions/mod.ts";
import type { KnownManifests } from "./known.ts";

const EVERYTHING: Matches = () => true;
/** An import of another file, which may hold what the function says of itself. */
const OTHER_FILES = new RegExp(`["']\\.\\.?/(?!${RegExp.escape(TYPES_FILE.name)}["'])`);

/** Functions that have not loaded. */
export class UnloadedFunctions {
  readonly #path: string;
  readonly #known: KnownManifests;
  /** What each may have to see; undefined before the folder was read for the first time. */
  #filters: Map<string, Matches> | undefined;

  constructor(path: string, known: KnownManifests) {
    this.#path = path;
    this.#known = known;
  }

  /** The folder was read. The first time, finds out which files may be filters. Never rejects. */
  async look(files: ReadonlyMap<string, string>): Promise<void> {
    if (this.#filters !== undefined) {
      for (const name of [...this.#filters.keys()]) if (!files.has(name)) this.#filters.delete(name);
      return;
    }
    const filters = this.#filters = new Map<string, Matches>();
    await Promise.all([...files].map(async ([name, file]) => {
      const matches = await this.#filterOf(name, file);
      if (matches !== undefined) filters.set(name, matches);
    }));
  }

  /** A function has loaded, or its file is none. */
  settle(name: string): void {
    this.#filters?.delete(name);
  }

  /** Whether any of them may be a filter. */
  get any(): boolean {
    return this.#filters !== undefined && this.#filters.size > 0;
  }

  /** The names of those that may be filters. */
  get names(): string[] {
    return [...this.#filters?.keys() ?? []];
  }

  /** Whether one of them may have to see the messages of a channel. */
  mayFilter(channel: string): boolean {
    if (!this.any) return false;
    return [...this.#filters!.values()].some((matches) => matches(channel));
  }

  /** The channels whose messages a function may have to see; undefined: none. */
  async #filterOf(name: string, file: string): Promise<Matches | undefined> {
    const said = await this.#known.last(name);
    if (said !== undefined) {
      try {
        const { message } = parseManifest(said, file);
        return message?.when === "before" ? message.matches : undefined;
      } catch {
        // Another version of the service wrote it.
      }
    }
    try {
      const text = await Deno.readTextFile(`${this.#path}/${file}`);
      // A file that was cut off says nothing either; handlers stand at the end.
      const isWhole = /\bhandler\b/.test(text) && !OTHER_FILES.test(text);
      return isWhole && !/\bbefore\b/.test(text) ? undefined : EVERYTHING;
    } catch {
      return EVERYTHING;
    }
  }
}

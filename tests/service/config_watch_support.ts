/** Configuration files that are watched while a test changes them. */

import assert from "node:assert/strict";
import { type Config } from "../../src/service/config/mod.ts";
import { loadConfig } from "../../src/service/config/load.ts";
import { type Problem, problemLine } from "../../src/service/config/problem.ts";
import { type ConfigWatchOptions, watchConfig } from "../../src/service/config/reload.ts";

/** Values that arrive in their own time; waiting for one has a deadline. */
export class Inbox<T> {
  readonly #values: T[] = [];
  #wake: (() => void) | undefined;

  put(value: T): void {
    this.#values.push(value);
    this.#wake?.();
  }

  async next(): Promise<T> {
    const deadline = Date.now() + 20_000;
    while (this.#values.length === 0) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error("nothing came");
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, left);
      await promise;
      clearTimeout(timer);
    }
    return this.#values.shift()!;
  }

  get length(): number {
    return this.#values.length;
  }
}

/** A call of `onChange`. */
export interface Change {
  readonly next: Config;
  readonly previous: Config;
  readonly changed: readonly string[];
}

/** Runs `body` with a directory of its own. */
export async function inDirectory(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A configuration file. */
export function portFile(port: number): string {
  return `{ "quic": { "port": ${port} } }`;
}

/** Watches `path` while `body` runs. */
export async function watching(
  path: string,
  body: (
    seen: { changes: Inbox<Change>; problems: Inbox<string[]>; reload(): Promise<boolean> },
  ) => Promise<void>,
  more: Partial<ConfigWatchOptions> = {},
): Promise<void> {
  const changes = new Inbox<Change>(), problems = new Inbox<string[]>();
  const { config } = await loadConfig({ path, env: more.env, flags: more.flags });
  assert(config !== undefined);
  const watch = await watchConfig({
    path,
    current: config,
    onChange: (next, previous, changed) => changes.put({ next, previous, changed }),
    onProblems: (found: readonly Problem[]) => problems.put(found.map(problemLine)),
    ...more,
  });
  try {
    await body({ changes, problems, reload: () => watch.reload() });
  } finally {
    await watch.close();
  }
}

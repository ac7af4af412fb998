/**
 * The folder of functions, and when something in it changes.
 *
 * @module
 */

import { TYPES_FILE } from "../../functions/mod.ts";

/** Milliseconds without an event before the folder is looked at: a file that is being written is half of itself. */
const QUIET = 60;
/** Milliseconds between two looks without an event: network file systems send none. */
const POLL = 2000;
/** Deepest folder that is looked at. */
const DEPTH = 8;

/** What somebody may take for a function. */
const LIKE_FILE = /^[\w-]+\.(ts|js)$/;
const FILE = /^([a-z][a-z0-9_-]{0,63})\.(ts|js)$/;

/** A folder that is being watched. */
export class FunctionDirectory {
  readonly #path: string;
  readonly #changed: () => Promise<boolean>;
  #watcher: Deno.FsWatcher | undefined;
  #reading: Promise<void> = Promise.resolve();
  #poll: ReturnType<typeof setInterval> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;
  /** What the folder looked like when `changed` was last called. */
  #seen: string | undefined;

  /**
   * `changed` is called when something may have changed, one call at a time; when it resolves with false, again at the next
   * look.
   */
  constructor(path: string, changed: () => Promise<boolean>) {
    this.#path = path;
    this.#changed = changed;
  }

  /**
   * The functions in it: by name, the file of each; and by file, why it is none though it looks like one. Rejects when the
   * folder cannot be read.
   */
  async list(): Promise<{
    readonly files: ReadonlyMap<string, string>;
    readonly skipped: ReadonlyMap<string, string>;
  }> {
    const found = new Map<string, string>(), skipped = new Map<string, string>();
    for await (const { name, isDirectory } of Deno.readDir(this.#path)) {
      const match = FILE.exec(name);
      if (isDirectory || name === TYPES_FILE.name) continue;
      if (match === null) {
        if (LIKE_FILE.test(name)) {
          skipped.set(name, "a function has a name of lower case letters, digits, - and _");
        }
        continue;
      }
      const [file, function_] = match;
      const other = found.get(function_!);
      // Of hello.ts and hello.js the first one counts.
      const [kept, left] = other?.endsWith(".ts") ? [other, file] : [file, other];
      found.set(function_!, kept);
      if (left !== undefined) skipped.set(left, `${kept} has the same name`);
    }
    return { files: new Map([...found].sort(([a], [b]) => a < b ? -1 : 1)), skipped };
  }

  /** Calls `changed`, and then whenever it has to be. Where the system cannot watch, the folder is looked at from time to time. */
  async watch(): Promise<void> {
    await this.check();
    if (this.#closed) return;
    this.#poll = setInterval(() => this.#look(), POLL);
    this.#attach();
    // Something may have changed before the watch began.
    await this.check();
  }

  /** Looks now; resolves when that is done. */
  async check(): Promise<void> {
    this.#look();
    await this.#running;
  }

  /** Ends it; resolves when a call of `changed` that is under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#timer);
    try {
      this.#watcher?.close();
    } catch {
      // It had ended already.
    }
    await this.#reading;
    await this.#running;
  }

  #attach(): void {
    let watcher: Deno.FsWatcher;
    try {
      watcher = Deno.watchFs(this.#path, { recursive: true });
    } catch {
      return;
    }
    this.#watcher = watcher;
    this.#reading = (async () => {
      try {
        for await (const _event of watcher) this.#soon();
      } catch {
        // The folder is gone, or the system gave up: polling goes on.
      }
    })();
  }

  #soon(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), QUIET);
  }

  #look(): void {
    if (this.#closed) return;
    this.#running = this.#running.then(async () => {
      const stamp = await stampOf(this.#path, DEPTH);
      if (this.#closed || stamp === this.#seen) return;
      this.#seen = stamp;
      if (!await this.#changed()) this.#seen = undefined;
    }).catch(() => {});
  }
}

/** Changes whenever a file in the folder may have changed, and is cheap to get. */
async function stampOf(folder: string, depth: number): Promise<string> {
  const lines: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      // Kubernetes keeps the files of a ConfigMap in such folders, to which visible links lead.
      if (name.startsWith("..")) continue;
      const path = `${folder}/${name}`;
      try {
        const { isDirectory, ino, mtime, ctime, size } = await Deno.stat(path);
        lines.push(
          isDirectory && depth > 0
            ? `${name}/ ${await stampOf(path, depth - 1)}`
            : `${name} ${ino} ${mtime?.getTime()} ${ctime?.getTime()} ${size}`,
        );
      } catch {
        lines.push(`${name} gone`);
      }
    }
  } catch {
    return "unreadable";
  }
  return lines.sort().join("\n");
}

/** A directory for databases, and what is published into them. */

import { DatabaseSync } from "node:sqlite";
import { type Clock, systemClock } from "../../src/async/clock.ts";
import type { NewRecord, Published } from "../../src/engine/contract.ts";
import { SqliteEngine, type SqliteEngineOptions } from "../../src/engine/sqlite/engine.ts";

/** When the tests' clock begins, in milliseconds since the epoch. */
export const BEGIN = 1_700_000_000_000;

/** Engines over databases in one directory, with a clock that the test moves. */
export class Databases {
  readonly directory: string;
  now = BEGIN;
  /** The one of all engines. */
  readonly clock: Clock = { now: () => this.now, wall: () => this.now, after: systemClock.after };
  readonly failures: { error: unknown; stage: string }[] = [];
  readonly #engines: SqliteEngine[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  path(name = "skein.db"): string {
    return `${this.directory}/${name}`;
  }

  async open(options: Partial<SqliteEngineOptions> = {}): Promise<SqliteEngine> {
    const engine = await SqliteEngine.open({
      path: this.path(),
      clock: this.clock,
      // A busy machine does less in a time: one sweep is a whole one unless a test wants otherwise.
      sweepTime: Infinity,
      failed: (error, stage) => void this.failures.push({ error, stage }),
      ...options,
    });
    this.#engines.push(engine);
    return engine;
  }

  /** Moves the clock, and lets an engine sweep. */
  pass(engine: SqliteEngine, ms: number): void {
    this.now += ms;
    engine.sweep();
  }

  /** The files as `kill -9` would leave them now, under another name. */
  async killed(name: string): Promise<string> {
    await Deno.copyFile(this.path(), this.path(name));
    await Deno.copyFile(this.path() + "-wal", this.path(name) + "-wal");
    return this.path(name);
  }

  /** What another program's connection answers. */
  ask(sql: string, name?: string): Record<string, unknown>[] {
    const db = new DatabaseSync(this.path(name));
    try {
      return db.prepare(sql).all().map((row) => ({ ...row }));
    } finally {
      db.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
  }
}

/** Runs `body` with a directory of its own. */
export async function withDatabases(body: (databases: Databases) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-sqlite-" });
  const databases = new Databases(directory);
  try {
    await body(databases);
  } finally {
    await databases.close();
    await Deno.remove(directory, { recursive: true });
  }
}

/** A message of about `size` bytes. */
export function note(id: string, timestamp: number, size = 10): NewRecord {
  return { type: "chat_message", id, from: "ann", timestamp, payload: { text: id.padEnd(size, ".") } };
}

/** Publishes `count` messages at once. */
export function fill(
  engine: SqliteEngine,
  channel: string,
  count: number,
  { size = 1000, age = 3_600_000, now = BEGIN, bytes = 10, prefix = "m" } = {},
): Promise<Published[]> {
  return Promise.all(
    Array.from(
      { length: count },
      (_, i) => engine.log.publish(channel, note(`${prefix}${i}`, now, bytes), { retention: { size, age } }),
    ),
  );
}

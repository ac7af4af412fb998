/** How long the ids of messages are known to a database, also when it is opened again. */

import assert from "node:assert/strict";
import type { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { type Databases, note, withDatabases } from "./sqlite_support.ts";

const WINDOW = 100_000;
const OPTIONS = { dedupeWindow: WINDOW };

/** Publishes under an id. Whether it was known. */
async function said(engine: SqliteEngine, { now }: Databases, id: string): Promise<boolean> {
  const options = { dedupeKey: `ann ${id}`, retention: { size: 1000, age: 3_600_000 } };
  return (await engine.log.publish("chat:a", note(id, now), options)).duplicate;
}

/** The database closed and opened again. */
async function reopened(databases: Databases, engine: SqliteEngine): Promise<SqliteEngine> {
  engine.close();
  return await databases.open(OPTIONS);
}

/** How many ids both tables hold. */
function held(databases: Databases): number {
  return databases.ask(
    "SELECT (SELECT count(*) FROM dedupe0) + (SELECT count(*) FROM dedupe1) AS n",
  )[0]!.n as number;
}

Deno.test("sqlite dedupe: an id is known for the whole window, however often is swept meanwhile", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open(OPTIONS);
    databases.pass(engine, 0.3 * WINDOW);
    assert.equal(await said(engine, databases, "m"), false);
    // Sweeps at 0.4 to 1.2 windows: the tables turn once.
    for (let i = 0; i < 9; i++) databases.pass(engine, 0.1 * WINDOW);
    assert.equal(await said(engine, databases, "m"), true);
  }));

Deno.test("sqlite dedupe: a wall clock that is set back keeps no ids for as long as it takes to catch up", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open(OPTIONS);
    databases.pass(engine, 100 * WINDOW);
    await said(engine, databases, "old");
    databases.now -= 90 * WINDOW;
    for (let i = 0; i < 4; i++) {
      databases.pass(engine, WINDOW);
      await said(engine, databases, `m${i}`);
    }
    assert.ok(held(databases) <= 2, `${held(databases)} ids`);
    assert.equal(await said(engine, databases, "old"), false);
  }));

Deno.test("sqlite dedupe: an id of the older table is known after a restart", () =>
  withDatabases(async (databases) => {
    let engine = await databases.open(OPTIONS);
    assert.equal(await said(engine, databases, "m"), false);
    databases.pass(engine, WINDOW);
    engine = await reopened(databases, engine);
    assert.equal(await said(engine, databases, "m"), true);
  }));

Deno.test("sqlite dedupe: after a restart the younger table is still the younger one", () =>
  withDatabases(async (databases) => {
    let engine = await databases.open(OPTIONS);
    await said(engine, databases, "old");
    databases.pass(engine, WINDOW);
    await said(engine, databases, "young");
    engine = await reopened(databases, engine);
    databases.pass(engine, WINDOW);
    assert.equal(await said(engine, databases, "young"), true);
    assert.equal(await said(engine, databases, "old"), false);
  }));

Deno.test("sqlite dedupe: restarts do not keep ids for ever", () =>
  withDatabases(async (databases) => {
    let engine = await databases.open(OPTIONS);
    for (let i = 0; i < 12; i++) {
      await said(engine, databases, `m${i}`);
      engine = await reopened(databases, engine);
      databases.pass(engine, 0.6 * WINDOW);
    }
    // Two windows hold no more than four of them.
    assert.ok(held(databases) <= 4, `${held(databases)} ids`);
  }));

Deno.test("sqlite dedupe: a channel that was forgotten knows no id, also after a restart", () =>
  withDatabases(async (databases) => {
    let engine = await databases.open(OPTIONS);
    assert.equal(await said(engine, databases, "m"), false);
    assert.equal(await engine.log.forget("chat:a"), true);
    engine = await reopened(databases, engine);
    assert.equal(await said(engine, databases, "m"), false);
    assert.equal(await said(engine, databases, "m"), true);
  }));

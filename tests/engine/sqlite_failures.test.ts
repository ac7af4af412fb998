import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { ERRORS, ProtocolError } from "../../src/protocol/mod.ts";
import type { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { fill, note, withDatabases } from "./sqlite_support.ts";

const MIB = 1024 * 1024;

function isTemporary(error: unknown): boolean {
  return error instanceof ProtocolError && ERRORS[error.error].temporary;
}

/** Publishes groups until one is refused; how many messages were acknowledged. */
async function fillUp(engine: SqliteEngine, now: number): Promise<number> {
  for (let round = 0;; round++) {
    assert.ok(round < 1000, "the database never gets full");
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => {
        const retention = { size: 1_000_000, age: 60_000 };
        return engine.log.publish("chat:a", note(`${round}-${i}`, now, 4000), {
          retention,
          dedupeKey: `${round}-${i}`,
        });
      }),
    );
    const refused = results.filter((result) => result.status === "rejected");
    if (refused.length === 0) continue;
    // A group is kept as a whole or not at all.
    assert.equal(refused.length, 20);
    for (const { reason } of refused) assert.ok(isTemporary(reason), String(reason));
    return round * 20;
  }
}

Deno.test("sqlite failures: a full database refuses as temporary, keeps what it acknowledged, and works again when old messages made room", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open({ maxSize: 2 * MIB });
    const got: number[] = [];
    engine.log.follow("chat:a", (_channel, { offset }) => got.push(offset));
    const kept = await fillUp(engine, databases.now);
    assert.equal(engine.healthy(), false);
    assert.equal(databases.failures.length, 1);
    assert.match(String(databases.failures[0]!.error), /full/);
    assert.deepEqual(engine.log.position("chat:a").offset, kept);
    assert.deepEqual(got, Array.from({ length: kept }, (_, i) => i + 1));
    assert.equal(databases.ask("SELECT count(*) AS n FROM message")[0]!.n, kept);
    // Another channel has no room either, and reading goes on.
    await assert.rejects(fill(engine, "chat:b", 1, { bytes: 200_000 }), isTemporary);
    assert.equal(engine.log.position("chat:b").offset, 0);
    assert.equal(engine.log.read("chat:a", { limit: 5 }).records.length, 5);
    databases.pass(engine, 1000);
    assert.equal(engine.healthy(), false, "nothing has changed yet");
    assert.equal(databases.failures.length, 1, "it is told once");
    for (let i = 0; i < 10; i++) databases.pass(engine, 60_000);
    assert.equal(engine.healthy(), true);
    const retention = { size: 1_000_000, age: 60_000 };
    const refused = note(`${kept / 20}-0`, databases.now, 4000);
    const { offset, duplicate } = await engine.log.publish("chat:a", refused, {
      retention,
      dedupeKey: refused.id,
    });
    assert.deepEqual({ offset, duplicate }, { offset: kept + 1, duplicate: false });
    assert.equal(got.at(-1), kept + 1);
  }));

Deno.test("sqlite failures: what was refused by a full database is not there after a crash either", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open({ maxSize: 2 * MIB });
    const kept = await fillUp(engine, databases.now);
    const other = await databases.open({ path: await databases.killed("killed.db"), maxSize: 4 * MIB });
    assert.equal(other.log.position("chat:a").offset, kept);
    const [next] = await fill(other, "chat:a", 1);
    assert.equal(next!.offset, kept + 1);
  }));

Deno.test("sqlite failures: while another program writes, publishers are refused as temporary, and afterwards it goes on", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    await fill(engine, "chat:a", 3);
    const other = new DatabaseSync(databases.path());
    try {
      other.exec("BEGIN IMMEDIATE");
      await assert.rejects(fill(engine, "chat:a", 2), isTemporary);
      await assert.rejects(
        async () => await engine.values.put({ channel: "chat:a", name: "ann" }, {}),
        isTemporary,
      );
      assert.equal(engine.healthy(), false);
      assert.equal(engine.log.position("chat:a").offset, 3);
      assert.equal(engine.values.get({ channel: "chat:a", name: "ann" }), undefined);
      engine.sweep();
      assert.equal(engine.healthy(), false);
      other.exec("ROLLBACK");
    } finally {
      other.close();
    }
    engine.sweep();
    assert.equal(engine.healthy(), true);
    assert.deepEqual((await fill(engine, "chat:a", 2)).map(({ offset }) => offset), [4, 5]);
  }));

Deno.test("sqlite failures: a database that cannot be read any more is an error to readers, not the end of the process", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open({ cache: 0 });
    await fill(engine, "chat:a", 300, { bytes: 4000 });
    const other = new DatabaseSync(databases.path());
    try {
      other.exec("DELETE FROM message WHERE key % 7 = 0");
    } finally {
      other.close();
    }
    assert.throws(() => engine.log.read("chat:a", { limit: 20 }), isTemporary);
    assert.deepEqual(engine.log.position("chat:a").offset, 300);
  }));

Deno.test("sqlite failures: the clock may step back, and nothing is lost or forgotten early", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open({ dedupeWindow: 10_000 });
    const options = { retention: { size: 100, age: 60_000 }, dedupeKey: "k" };
    await engine.log.publish("chat:a", note("m1", databases.now), options);
    for (let i = 0; i < 5; i++) databases.pass(engine, -3_600_000);
    const again = await engine.log.publish("chat:a", note("m2", databases.now), {
      ...options,
      dedupeKey: "k2",
    });
    assert.equal(again.offset, 2);
    databases.pass(engine, 1_000);
    assert.deepEqual(engine.log.read("chat:a").records.map(({ id }) => id), ["m1", "m2"]);
    const { duplicate } = await engine.log.publish("chat:a", note("m2", databases.now), {
      ...options,
      dedupeKey: "k2",
    });
    assert.equal(duplicate, true);
  }));

Deno.test("sqlite failures: what waits behind a group that fails is refused with it, so that nothing overtakes", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open({ maxSize: 2 * MIB });
    const published = Array.from(
      { length: 250 },
      (_, i) =>
        engine.log.publish("chat:a", note(`m${i}`, databases.now, i < 100 ? 60_000 : 10), {
          retention: { size: 1000, age: 60_000 },
        }),
    );
    const outcomes = await Promise.allSettled(published);
    assert.ok(outcomes.every(({ status }) => status === "rejected"));
    assert.equal(engine.log.position("chat:a").offset, 0);
    await new Promise((resolve) => setTimeout(resolve));
    assert.deepEqual((await fill(engine, "chat:a", 2)).map(({ offset }) => offset), [1, 2]);
  }));

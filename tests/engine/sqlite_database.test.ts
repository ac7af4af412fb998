import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { backupDatabase, inspectDatabase } from "../../src/engine/sqlite/backup.ts";
import { migrate, MIGRATIONS, pragma } from "../../src/engine/sqlite/schema.ts";
import { fill, note, withDatabases } from "./sqlite_support.ts";

Deno.test("sqlite database: the directory is made for this user alone, and the files are", () =>
  withDatabases(async (databases) => {
    const path = `${databases.directory}/deep/down/skein.db`;
    await fill(await databases.open({ path }), "chat:a", 1);
    assert.equal(Deno.statSync(`${databases.directory}/deep`).mode! & 0o777, 0o700);
    for (const end of ["", "-wal", "-shm"]) assert.equal(Deno.statSync(path + end).mode! & 0o777, 0o600, end);
  }));

Deno.test("sqlite database: a second process is refused with the name of the file and the first one's id, and not once that ended", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    await assert.rejects(() => databases.open(), {
      message: `${databases.path()}: in use by another process (${Deno.pid})`,
    });
    engine.close();
    assert.equal((await databases.open()).healthy(), true);
  }));

Deno.test("sqlite database: what is no database, another program's, or of a newer schema is refused and left as it is", () =>
  withDatabases(async (databases) => {
    const path = databases.path();
    Deno.writeTextFileSync(path, "something else entirely\n".repeat(100));
    await assert.rejects(() => databases.open(), { message: `${path}: file is not a database` });
    assert.match(Deno.readTextFileSync(path), /^something else/);
    Deno.removeSync(path);
    const foreign = new DatabaseSync(path);
    foreign.exec("CREATE TABLE message(text TEXT)");
    foreign.close();
    await assert.rejects(() => databases.open(), {
      message: `${path}: it is the database of another program`,
    });
    Deno.removeSync(path);
    (await databases.open()).close();
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 1000");
    newer.close();
    await assert.rejects(() => databases.open(), {
      message: new RegExp(
        `^${path}: its schema has version 1000, and this program knows only ${MIGRATIONS.length}: `,
      ),
    });
    assert.deepEqual(databases.ask("PRAGMA user_version"), [{ user_version: 1000 }]);
  }));

Deno.test("sqlite database: a place where nothing can be written is refused with its name", () =>
  withDatabases(async (databases) => {
    Deno.writeTextFileSync(databases.path("file"), "");
    for (const path of [databases.path("file/skein.db"), databases.directory, "/proc/skein/skein.db"]) {
      await assert.rejects(
        () => databases.open({ path }),
        (error: Error) => error.message.startsWith(`${path}: `),
      );
    }
  }));

Deno.test("sqlite database: an older schema becomes the newest with what it holds, or stays when a step fails", () =>
  withDatabases(async (databases) => {
    const db = new DatabaseSync(databases.path());
    try {
      const first = MIGRATIONS.slice(0, 1);
      migrate(db, first);
      assert.equal(pragma(db, "user_version"), 1);
      db.exec("INSERT INTO channel VALUES(1, 'chat:a', 'e', 5, 1, 1, 10, 10, 0, 0)");
      assert.throws(() =>
        migrate(db, [
          ...first,
          (db) => db.exec("ALTER TABLE channel ADD COLUMN extra"),
          (db) => db.exec("nonsense"),
        ])
      );
      assert.equal(pragma(db, "user_version"), 1);
      assert.equal(db.prepare("SELECT * FROM channel").get()!.extra, undefined);
      migrate(db);
      assert.equal(pragma(db, "user_version"), MIGRATIONS.length);
    } finally {
      db.close();
    }
    assert.deepEqual((await databases.open()).log.position("chat:a"), { epoch: "e", offset: 5 });
  }));

Deno.test("sqlite database: a backup of a database in use is one whole file that begins new epochs each time it is put back", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    const [{ epoch } = { epoch: "" }] = await fill(engine, "chat:a", 500, { size: 5000 });
    await engine.values.put({ channel: "chat:a", name: "ann" }, { at: { epoch, offset: 20 } });
    const options = { retention: { size: 5000, age: 3_600_000 }, dedupeKey: "k" };
    await engine.log.publish("chat:a", note("known", databases.now), options);
    const copy = databases.path("backup.db");
    const publishing = fill(engine, "chat:a", 500, { size: 5000 });
    const bytes = await backupDatabase(databases.path(), copy);
    await publishing;
    assert.equal(Deno.statSync(copy).size, bytes);
    assert.equal(Deno.statSync(copy).mode! & 0o777, 0o600);
    const left = Array.from(Deno.readDirSync(databases.directory), ({ name }) => name).filter((name) =>
      name.startsWith("backup")
    );
    assert.deepEqual(left, ["backup.db"]);
    assert.deepEqual(inspectDatabase(copy), { problems: [], channels: 1 });
    const epochs = new Set([epoch]);
    for (const name of ["first.db", "second.db"]) {
      await Deno.copyFile(copy, databases.path(name));
      const restored = await databases.open({ path: databases.path(name) });
      const { records, offset } = restored.log.read("chat:a", { limit: 2000 });
      assert.ok(offset >= 501, `${offset} messages`);
      assert.deepEqual(records.map(({ offset }) => offset), Array.from({ length: offset }, (_, i) => i + 1));
      const again = await restored.log.publish("chat:a", note("known", databases.now), options);
      assert.deepEqual([again.offset, again.duplicate], [501, true]);
      epochs.add(again.epoch);
      // What is kept beside the channel is still of this history.
      assert.deepEqual(restored.values.get({ channel: "chat:a", name: "ann" })?.at, {
        epoch: again.epoch,
        offset: 20,
      });
      restored.close();
      assert.equal(
        (await databases.open({ path: databases.path(name) })).log.position("chat:a").epoch,
        again.epoch,
      );
    }
    assert.equal(epochs.size, 3);
  }));

Deno.test("sqlite database: a backup never writes over a file, and of what is damaged or none of ours there is none", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    await fill(engine, "chat:a", 2000, { bytes: 1000 });
    const copy = databases.path("backup.db");
    Deno.writeTextFileSync(copy, "mine");
    await assert.rejects(backupDatabase(databases.path(), copy), { message: `${copy}: exists already` });
    assert.equal(Deno.readTextFileSync(copy), "mine");
    await assert.rejects(backupDatabase(databases.path("none.db"), databases.path("b.db")), /none\.db: /);
    engine.close();
    const file = Deno.openSync(databases.path(), { write: true });
    file.seekSync(4096 * 200, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(4096 * 20).fill(0x55));
    file.close();
    assert.ok(inspectDatabase(databases.path()).problems.length > 0);
    await assert.rejects(backupDatabase(databases.path(), databases.path("b.db")), /damaged/);
    assert.deepEqual(
      Array.from(Deno.readDirSync(databases.directory), ({ name }) => name).filter((name) =>
        name.startsWith("b.")
      ),
      [],
    );
  }));

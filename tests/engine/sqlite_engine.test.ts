import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { Group } from "../../src/engine/sqlite/group.ts";
import { BEGIN, fill, note, withDatabases } from "./sqlite_support.ts";

const KEEP = { size: 1000, age: 3_600_000 };

/** A group is committed at the second look of its turn, and each look is one `setImmediate`; a timer may be earlier. */
const turn = async (): Promise<void> => {
  for (let look = 0; look < 3; look++) await new Promise((resolve) => setImmediate(resolve));
};

Deno.test("sqlite engine: what comes in one turn is one group in order unless the group is full before", async () => {
  const groups: number[][] = [];
  const group = new Group<number>({ most: 4, hold: 1000 }, (items) => groups.push([...items]));
  for (let i = 0; i < 3; i++) group.add(i);
  assert.deepEqual(groups, []);
  await turn();
  assert.deepEqual(groups, [[0, 1, 2]]);
  for (let i = 3; i < 9; i++) group.add(i);
  assert.deepEqual(groups.slice(1), [[3, 4, 5, 6]]);
  group.flush();
  assert.deepEqual(groups.slice(2), [[7, 8]]);
});

Deno.test("sqlite engine: what a commit brings about goes into a group after it, not into the middle of it", async () => {
  const groups: string[][] = [];
  const group = new Group<string>({ most: 2, hold: 0 }, (items) => {
    groups.push([...items]);
    for (const item of items) if (item.length < 3) group.add(item + "'");
  });
  group.add("a");
  group.add("b");
  assert.deepEqual(groups, [["a", "b"], ["a'", "b'"], ["a''", "b''"]]);
  group.add("ccc");
  await turn();
  assert.deepEqual(groups.at(-1), ["ccc"]);
});

/** Adds one in each of six turns, two in the first one. */
async function trickle(group: Group<number>): Promise<void> {
  group.add(0);
  for (let i = 1; i <= 6; i++) {
    group.add(i);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

Deno.test("sqlite engine: a group is held back while each turn brings more", async () => {
  const groups: number[][] = [];
  const group = new Group<number>({ most: 100, hold: 1e9 }, (items) => groups.push([...items]));
  await trickle(group);
  assert.deepEqual(groups, []);
  await turn();
  assert.deepEqual(groups, [[0, 1, 2, 3, 4, 5, 6]]);
});

Deno.test("sqlite engine: a group is held back no longer than it may", async () => {
  const groups: number[][] = [];
  const group = new Group<number>({ most: 100, hold: 0 }, (items) => groups.push([...items]));
  await trickle(group);
  assert.ok(groups.length > 1, `${groups.length} groups`);
  await turn();
  assert.deepEqual(groups.flat(), [0, 1, 2, 3, 4, 5, 6]);
});

Deno.test("sqlite engine: small values are committed together with what is published, in order", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    const rows = () => databases.ask("SELECT count(*) AS n FROM value")[0]!.n;
    const order: string[] = [];
    const publishing = engine.log.publish("chat:a", note("last", BEGIN), { retention: KEEP });
    void publishing.then(() => order.push("published"));
    const put = async (name: string, revision?: number) =>
      await engine.values.put({ channel: "chat:a", name }, {}, revision === undefined ? {} : { revision });
    const same = [put("ann", 0), put("ann", 0)];
    const others = Array.from({ length: 60 }, (_, i) => put(`user${i}`));
    void Promise.all(others).then(() => order.push("put"));
    assert.equal(rows(), 0);
    assert.deepEqual((await Promise.all(same)).map((revision) => revision !== undefined), [true, false]);
    // Nobody was told before all of the group was on disk.
    assert.equal(rows(), 61);
    await Promise.all([publishing, ...others]);
    await turn();
    assert.deepEqual(order, ["published", "put"]);
    void put("late");
    engine.close();
    const again = await databases.open();
    assert.notEqual(again.values.get({ channel: "chat:a", name: "late" }), undefined);
  }));

Deno.test("sqlite engine: publishes of one turn are one transaction, told in order of offset and acknowledged after they are told", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    const happened: string[] = [];
    for (const channel of ["chat:a", "chat:b"]) {
      engine.log.follow(channel, (name, { offset }) => {
        assert.ok(engine.log.position(name).offset >= offset);
        happened.push(`${name} ${offset}`);
      });
    }
    const sent = Array.from({ length: 100 }, (_, i) => {
      const channel = i % 3 === 0 ? "chat:b" : "chat:a";
      return engine.log.publish(channel, note(`m${i}`, BEGIN), { retention: KEEP }).then(() =>
        happened.push("ack")
      );
    });
    assert.equal(happened.length, 0);
    assert.deepEqual(databases.ask("SELECT count(*) AS n FROM message"), [{ n: 0 }]);
    await Promise.all(sent);
    assert.equal(happened.indexOf("ack"), 100);
    assert.deepEqual(
      happened.filter((line) => line.startsWith("chat:a")),
      Array.from({ length: 66 }, (_, i) => `chat:a ${i + 1}`),
    );
  }));

Deno.test("sqlite engine: a payload that cannot be kept harms nobody else's", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    const loop: Record<string, unknown> = {};
    loop.loop = loop;
    const results = await Promise.allSettled([
      engine.log.publish("chat:a", note("m1", BEGIN), { retention: KEEP }),
      engine.log.publish("chat:a", { ...note("bad", BEGIN), payload: loop }, { retention: KEEP }),
      engine.log.publish("chat:a", note("m2", BEGIN), { retention: KEEP }),
    ]);
    assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
    assert.deepEqual(engine.log.read("chat:a").records.map(({ id, offset }) => [id, offset]), [["m1", 1], [
      "m2",
      2,
    ]]);
    assert.equal(engine.healthy(), true);
  }));

Deno.test("sqlite engine: what comes in turns that follow one another is committed together", () =>
  withDatabases(async (databases) => {
    let most = 0;
    const engine = await databases.open({ measured: (count) => most = Math.max(most, count) });
    // Whenever the machine does something else for two milliseconds a group ends early: one of many is enough.
    for (let round = 0; round < 1000 && most < 5; round++) {
      const all: unknown[] = [];
      const publish = () =>
        all.push(
          engine.log.publish("chat:a", note(`${round} ${all.length}`, BEGIN), { retention: KEEP }),
        );
      // One alone is committed at the end of its turn.
      publish();
      for (let turn = 0; turn < 6; turn++) {
        publish();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      await Promise.all(all);
    }
    assert.ok(most >= 5, `${most} at once`);
  }));

Deno.test("sqlite engine: an edit that cannot be kept harms nobody else's", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    await fill(engine, "chat:a", 1);
    const content: Record<string, unknown> = {};
    content.loop = content;
    const edit = { kind: "replace" as const, target: 1, content };
    const results = await Promise.allSettled([
      engine.log.publish("chat:a", note("m1", BEGIN), { retention: KEEP }),
      engine.log.publish("chat:a", note("bad", BEGIN), { retention: KEEP, edit }),
      engine.log.publish("chat:b", note("m2", BEGIN), { retention: KEEP }),
    ]);
    assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
    assert.equal(engine.log.position("chat:a").offset, 2);
    assert.equal(engine.healthy(), true);
  }));

Deno.test("sqlite engine: rows beyond the retention are deleted in batches, and few of them lie about", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    const rows = () => databases.ask("SELECT count(*) AS n FROM message")[0]!.n as number;
    for (let i = 0; i < 40; i++) await fill(engine, "chat:a", 25, { size: 100 });
    assert.equal(engine.log.read("chat:a", { limit: 1000 }).records.length, 100);
    assert.ok(rows() >= 100 && rows() < 160, `${rows()} rows`);
    // Less is kept from now on: what is much is deleted by sweeps.
    await fill(engine, "chat:b", 6000, { size: 10_000 });
    await fill(engine, "chat:b", 1, { size: 10 });
    assert.deepEqual(engine.log.read("chat:b").records.map(({ offset }) => offset)[0], 5992);
    engine.sweep();
    assert.ok(rows() < 200, `${rows()} rows`);
  }));

Deno.test("sqlite engine: however many messages are past their age, they go, and the newest stay", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    await fill(engine, "chat:a", 9000, { size: 100_000, age: 10_000 });
    databases.now += 8_000;
    await fill(engine, "chat:a", 3, { size: 100_000, age: 10_000, now: databases.now });
    databases.now += 3_000;
    engine.sweep();
    const { records, complete } = engine.log.read("chat:a", { since: 0 });
    assert.deepEqual(records.map(({ offset }) => offset), [9001, 9002, 9003]);
    assert.equal(complete, false);
    for (let i = 0; i < 10; i++) engine.sweep();
    assert.deepEqual(databases.ask("SELECT count(*) AS n FROM message"), [{ n: 3 }]);
  }));

Deno.test("sqlite engine: of large messages no more are read than are of use, and it is said that there are more", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open({ cache: 0 });
    await fill(engine, "chat:a", 500, { bytes: 20_000 });
    const asked = { limit: 400, bytes: 64_000 };
    for (const reverse of [false, true]) {
      const got: number[] = [];
      for (let more = true; more;) {
        const since = got.length === 0 ? {} : { since: got.at(-1)! };
        const page = engine.log.read("chat:a", { ...asked, reverse, ...since });
        assert.ok(page.records.length > 0 && page.records.length <= 16 && page.complete);
        got.push(...page.records.map(({ offset }) => offset));
        more = page.more === true;
      }
      assert.deepEqual(got, Array.from({ length: 500 }, (_, i) => reverse ? 500 - i : i + 1));
    }
    const small = engine.log.read("chat:a", { limit: 16, bytes: 64_000 });
    assert.deepEqual([small.records.length, small.more], [16, undefined]);
  }));

Deno.test("sqlite engine: a sweep that has much to do gives others their turn and goes on by itself", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open({ sweepTime: 10 });
    for (let i = 0; i < 60; i++) await fill(engine, `chat:${i}`, 1000, { age: 60_000, now: databases.now });
    const left = () => databases.ask("SELECT count(*) AS n FROM message")[0]!.n as number;
    databases.pass(engine, 61_000);
    const after = left();
    assert.ok(after > 0, "it has given up its turn");
    const deadline = Date.now() + 30_000;
    while (left() > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(left(), 0);
    // One that is not through ends with the engine.
    for (let i = 0; i < 60; i++) await fill(engine, `chat:${i}`, 1000, { age: 60_000, now: databases.now });
    databases.pass(engine, 61_000);
    assert.ok(left() > 0);
    engine.close();
  }));

Deno.test("sqlite engine: values past their time leave the disk, however many, also where no message is due", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    const put = (name: string, ttl?: number) =>
      engine.values.put({ name }, {}, ttl === undefined ? {} : { ttl });
    await Promise.all(Array.from({ length: 1200 }, (_, i) => put(`short${i}`, 1_000)));
    await Promise.all([put("long", 60_000), put("forever")]);
    databases.pass(engine, 999);
    assert.deepEqual(databases.ask("SELECT count(*) AS n FROM value"), [{ n: 1202 }]);
    databases.now += 1;
    // A sweep has a time limit.
    for (let i = 0; i < 10; i++) engine.sweep();
    assert.deepEqual(databases.ask("SELECT name FROM value ORDER BY name"), [{ name: "forever" }, {
      name: "long",
    }]);
  }));

Deno.test("sqlite engine: a sweep that finds nothing due does not write", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    await fill(engine, "chat:a", 3);
    await engine.values.put({ name: "later" }, {}, { ttl: 60_000 });
    const other = new DatabaseSync(databases.path());
    try {
      other.exec("BEGIN IMMEDIATE");
      databases.pass(engine, 1_000);
      assert.equal(engine.healthy(), true);
      assert.deepEqual(databases.failures, []);
    } finally {
      other.close();
    }
  }));

Deno.test("sqlite engine: a message of a channel that keeps nothing never reaches the disk", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    const publish = (text: string, size: number) =>
      engine.log.publish("chat:a", { ...note("m", BEGIN), payload: { text } }, {
        retention: { size, age: 60_000 },
      });
    await publish("kept in the file", 10);
    await publish("gone with the wind", 0);
    const onDisk = async (text: string): Promise<boolean> => {
      const files = await Promise.all(["", "-wal"].map((end) => Deno.readFile(databases.path() + end)));
      return files.some((bytes) => new TextDecoder("latin1").decode(bytes).includes(text));
    };
    assert.equal(await onDisk("kept in the file"), true);
    assert.equal(await onDisk("gone with the wind"), false);
  }));

Deno.test("sqlite engine: a shorter age holds for older messages too", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    await fill(engine, "chat:a", 5, { age: 3_600_000 });
    databases.now += 60_000;
    await fill(engine, "chat:a", 1, { age: 10_000, now: databases.now });
    engine.sweep();
    assert.deepEqual(engine.log.read("chat:a").records.map(({ offset }) => offset), [6]);
  }));

Deno.test("sqlite engine: a channel that keeps nothing is forgotten after a while and starts in another epoch unless it is followed", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open({ idle: 60_000, dedupeWindow: 10_000 });
    const [idle] = await fill(engine, "chat:idle", 3, { age: 5_000 });
    await fill(engine, "chat:followed", 3, { age: 5_000 });
    const { epoch } = engine.log.position("chat:followed");
    engine.log.follow("chat:followed", () => {});
    for (let i = 0; i < 70; i++) databases.pass(engine, 1_000);
    assert.deepEqual(databases.ask("SELECT name FROM channel"), [{ name: "chat:followed" }]);
    assert.equal(engine.log.position("chat:idle").offset, 0);
    assert.notEqual(engine.log.position("chat:idle").epoch, idle!.epoch);
    assert.deepEqual(engine.log.position("chat:followed"), { epoch, offset: 3 });
    const [next] = await fill(engine, "chat:idle", 1, { now: databases.now });
    assert.equal(next!.offset, 1);
    assert.notEqual(next!.epoch, idle!.epoch);
  }));

Deno.test("sqlite engine: the epoch a subscriber was told stays the channel's, though another channel was forgotten meanwhile", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open({ idle: 60_000, dedupeWindow: 10_000 });
    await fill(engine, "chat:idle", 1, { age: 5_000 });
    engine.log.follow("chat:new", () => {});
    const { epoch } = engine.log.position("chat:new");
    for (let i = 0; i < 70; i++) databases.pass(engine, 1_000);
    assert.deepEqual(databases.ask("SELECT name FROM channel"), []);
    assert.deepEqual(await fill(engine, "chat:new", 1, { now: databases.now }), [
      { epoch, offset: 1, duplicate: false },
    ]);
  }));

Deno.test("sqlite engine: closing commits what waits, and what comes later is refused as temporary", () =>
  withDatabases(async (databases) => {
    const engine = await databases.open();
    const waiting = fill(engine, "chat:a", 3);
    engine.close();
    assert.deepEqual((await waiting).map(({ offset }) => offset), [1, 2, 3]);
    await assert.rejects(
      engine.log.publish("chat:a", note("late", BEGIN), { retention: KEEP }),
      (error: unknown) => error instanceof ProtocolError && error.error === "not_available",
    );
    assert.throws(() => engine.log.read("chat:a"), ProtocolError);
    assert.equal((await databases.open()).log.position("chat:a").offset, 3);
  }));

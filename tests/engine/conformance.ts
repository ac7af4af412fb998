/**
 * What every engine must do. An adapter's test calls `conformance` with a way to open it.
 *
 * @module
 */

import assert from "node:assert/strict";
import type {
  Engine,
  EphemeralMessage,
  MaybePromise,
  NewRecord,
  PresenceEntry,
  StoredRecord,
} from "../../src/engine/contract.ts";
import { type Bench, fill, KEEP, record, type Subject } from "./conformance_bench.ts";
import { keptConformance } from "./conformance_kept.ts";

/** How an engine is opened. `now` is a clock the test moves; engines with a clock of their own ignore it. */
export interface OpenOptions {
  readonly now: () => number;
  /** Milliseconds. */
  readonly dedupeWindow: number;
}

/** What an adapter can do beyond the contract's least. */
export interface Capabilities {
  readonly name: string;
  readonly open: (options: OpenOptions) => MaybePromise<Subject>;
  /** Its clock is `OpenOptions.now`, so that ages, leases and windows can be tested. */
  readonly clock: boolean;
  /** Committed messages survive `restart`. */
  readonly restart: boolean;
  /** Instances see each other through `peer`. */
  readonly peers: boolean;
}

/** Registers the tests of an engine. */
export function conformance({ name, open, clock, restart, peers }: Capabilities): void {
  function test(says: string, body: (bench: Bench) => Promise<void>): void {
    Deno.test(`${name} engine: ${says}`, async () => {
      let time = 1_700_000_000_000;
      const subject = await open({ now: () => time, dedupeWindow: 10_000 });
      const bench: Bench = {
        ...subject,
        time: () => time,
        pass(ms) {
          time += ms;
          subject.engine.sweep(time);
        },
      };
      try {
        await body(bench);
      } finally {
        await subject.close();
      }
    });
  }

  test("a channel nobody published to is at offset 0 with nothing in it", async ({ engine }) => {
    const { epoch, offset } = await engine.position("chat:none");
    assert.equal(offset, 0);
    assert.match(epoch, /^[\x21-\x7e]{1,64}$/);
    const page = await engine.read("chat:none");
    assert.deepEqual(page.records, []);
    assert.equal(page.complete, true);
  });

  test("offsets rise from publish to publish and prev names the one before", async ({ engine, time }) => {
    const offsets = [0];
    for (let i = 0; i < 5; i++) {
      const { offset, epoch, duplicate } = await engine.publish("chat:a", record(`m${i}`, time()), {
        retention: KEEP,
      });
      assert.equal(duplicate, false);
      assert.ok(offset > offsets.at(-1)!);
      offsets.push(offset);
      assert.deepEqual(await engine.position("chat:a"), { epoch, offset });
    }
    const { records, complete } = await engine.read("chat:a");
    assert.equal(complete, true);
    assert.deepEqual(records.map(({ offset }) => offset), offsets.slice(1));
    assert.deepEqual(records.map(({ prev }) => prev), offsets.slice(0, -1));
    assert.deepEqual(bare(records[2]!), record("m2", time()));
  });

  keptConformance(test, restart);

  test("history is read forward after an offset and backward before one, at most limit messages", async (b) => {
    const at = await fill(b, "chat:a", 6);
    const ids = async (options: Parameters<Engine["read"]>[1]) =>
      (await b.engine.read("chat:a", options)).records.map(({ id }) => id);
    assert.deepEqual(await ids({ limit: 2 }), ["m0", "m1"]);
    assert.deepEqual(await ids({ since: at[1]! }), ["m2", "m3", "m4", "m5"]);
    assert.deepEqual(await ids({ since: at[1]!, limit: 2 }), ["m2", "m3"]);
    assert.deepEqual(await ids({ since: at[5]! }), []);
    assert.deepEqual(await ids({ reverse: true, limit: 2 }), ["m5", "m4"]);
    assert.deepEqual(await ids({ reverse: true, since: at[2]! }), ["m1", "m0"]);
    assert.deepEqual(await ids({ reverse: true, since: at[0]! }), []);
  });

  test("only the newest messages are kept, and a gap before them is said", async (b) => {
    const at = await fill(b, "chat:a", 7, { size: 3, age: 60_000 });
    const all = await b.engine.read("chat:a");
    assert.deepEqual(all.records.map(({ id }) => id), ["m4", "m5", "m6"]);
    assert.equal(all.records[0]!.prev, at[3]);
    assert.equal((await b.engine.read("chat:a", { since: at[2]! })).complete, false);
    assert.equal((await b.engine.read("chat:a", { since: at[3]! })).complete, true);
    assert.equal((await b.engine.read("chat:a", { since: at[6]! })).complete, true);
  });

  test("an ephemeral channel keeps nothing and still counts", async (b) => {
    const got: StoredRecord[] = [];
    await b.engine.follow("chat:a", (_channel, record) => got.push(record));
    const at = await fill(b, "chat:a", 3, { size: 0, age: 60_000 });
    await until(() => got.length === 3);
    assert.deepEqual(got.map(({ offset }) => offset), at);
    const page = await b.engine.read("chat:a", { since: at[0]! });
    assert.deepEqual(page.records, []);
    assert.equal(page.complete, false);
    assert.equal(page.offset, at[2]);
  });

  test("a known dedupe key has no second effect and gets the first one's place", async (b) => {
    const got: StoredRecord[] = [];
    await b.engine.follow("chat:a", (_channel, record) => got.push(record));
    const options = { retention: KEEP, dedupeKey: "k1" };
    const first = await b.engine.publish("chat:a", record("m1", b.time()), options);
    await fill(b, "chat:a", 2);
    const again = await b.engine.publish("chat:a", record("m1", b.time()), options);
    assert.deepEqual(again, { ...first, duplicate: true });
    // Another channel has its own keys.
    assert.equal((await b.engine.publish("chat:b", record("m1", b.time()), options)).duplicate, false);
    assert.equal((await b.engine.read("chat:a")).records.length, 3);
    await until(() => got.length >= 3);
    assert.deepEqual(got.map(({ id }) => id), ["m1", "m0", "m1"]);
  });

  test("of publishes with one key at the same time one is kept", async (b) => {
    const options = { retention: KEEP, dedupeKey: "k1" };
    const results = await Promise.all(
      Array.from({ length: 8 }, () => b.engine.publish("chat:a", record("m1", b.time()), options)),
    );
    assert.equal(results.filter(({ duplicate }) => !duplicate).length, 1);
    assert.equal(new Set(results.map(({ offset }) => offset)).size, 1);
    assert.equal((await b.engine.read("chat:a")).records.length, 1);
  });

  test("a follower gets each message once, in order, from when it follows until it does not", async (b) => {
    const got: string[] = [];
    await fill(b, "chat:a", 1);
    await b.engine.follow("chat:a", (channel, { id, offset, prev }, epoch) => {
      assert.ok(offset > prev);
      assert.notEqual(epoch, "");
      got.push(`${channel} ${id}`);
    });
    const many = Array.from({ length: 20 }, (_, i) => `n${i}`);
    await Promise.all(
      many.map((id) => b.engine.publish("chat:a", record(id, b.time()), { retention: KEEP })),
    );
    await b.engine.publish("chat:b", record("other", b.time()), { retention: KEEP });
    await until(() => got.length >= many.length);
    const kept = (await b.engine.read("chat:a")).records.slice(1).map(({ id }) => `chat:a ${id}`);
    assert.deepEqual(got, kept);
    b.engine.unfollow("chat:a");
    await fill(b, "chat:a", 1);
    await settle();
    assert.equal(got.length, many.length);
  });

  test("a follower that throws fails no publish and gets the next message", async (b) => {
    let calls = 0;
    await b.engine.follow("chat:a", () => {
      calls++;
      throw new Error("broken follower");
    });
    await fill(b, "chat:a", 2);
    await until(() => calls === 2);
    assert.equal((await b.engine.position("chat:a")).offset > 0, true);
  });

  test("a signal reaches the listener of a followed channel and leaves no trace", async (b) => {
    const got: [string, EphemeralMessage][] = [];
    b.engine.onEphemeral((channel, signal) => got.push([channel, signal]));
    const signal: EphemeralMessage = {
      type: "typing_start",
      id: "t1",
      from: "ann",
      sessionId: "s1",
      timestamp: b.time(),
      payload: {},
    };
    b.engine.publishEphemeral("chat:a", signal);
    await b.engine.follow("chat:a", () => {});
    b.engine.publishEphemeral("chat:a", signal);
    await until(() => got.length > 0);
    await settle();
    assert.deepEqual(got, [["chat:a", signal]]);
    assert.equal((await b.engine.position("chat:a")).offset, 0);
  });

  test("the first session of a user comes online, the last one goes offline", async (b) => {
    const got: string[] = [];
    b.engine.onPresence((channel, event, { userId }) => got.push(`${channel} ${userId} ${event}`));
    await b.engine.follow("chat:a", () => {});
    await b.engine.presenceEnter("chat:a", entry("ann", "s1"), 30_000);
    await b.engine.presenceEnter("chat:a", entry("ann", "s2"), 30_000);
    await b.engine.presenceEnter("chat:a", { ...entry("bob", "s3"), info: { name: "Bob" } }, 30_000);
    await b.engine.presenceEnter("chat:a", entry("ann", "s1"), 30_000);
    const here = [...await b.engine.presence("chat:a")].sort((x, y) => x.sessionId < y.sessionId ? -1 : 1);
    assert.deepEqual(here, [entry("ann", "s1"), entry("ann", "s2"), {
      ...entry("bob", "s3"),
      info: { name: "Bob" },
    }]);
    await b.engine.presenceLeave("chat:a", "s1");
    await b.engine.presenceLeave("chat:a", "unknown");
    await b.engine.presenceLeave("chat:a", "s3");
    await b.engine.presenceLeave("chat:a", "s2");
    await until(() => got.length >= 4);
    await settle();
    assert.deepEqual(got, [
      "chat:a ann online",
      "chat:a bob online",
      "chat:a bob offline",
      "chat:a ann offline",
    ]);
    assert.deepEqual([...await b.engine.presence("chat:a")], []);
  });

  test("it says whether it can commit", async ({ engine }) => {
    assert.equal(engine.healthy(), true);
    await engine.close();
    assert.equal(engine.healthy(), false);
  });

  if (clock) {
    test("messages past their age are gone after a sweep", async (b) => {
      await fill(b, "chat:a", 2, { size: 100, age: 5_000 });
      b.pass(4_000);
      const at = await fill(b, "chat:a", 1, { size: 100, age: 5_000 });
      b.pass(1_500);
      const page = await b.engine.read("chat:a", { since: 0 });
      assert.deepEqual(page.records.map(({ offset }) => offset), at);
      assert.equal(page.complete, false);
    });

    test("a dedupe key is known for the window and forgotten some time after it", async (b) => {
      const options = { retention: KEEP, dedupeKey: "k1" };
      const publish = async () =>
        (await b.engine.publish("chat:a", record("m1", b.time()), options)).duplicate;
      assert.equal(await publish(), false);
      for (let passed = 0; passed < 9_000; passed += 1_000) b.pass(1_000);
      assert.equal(await publish(), true);
      for (let passed = 0; passed < 21_000; passed += 1_000) b.pass(1_000);
      assert.equal(await publish(), false);
    });

    test("a presence lease that is renewed lasts, one that is not lapses", async (b) => {
      const got: string[] = [];
      b.engine.onPresence((_channel, event, { userId }) => got.push(`${userId} ${event}`));
      await b.engine.presenceEnter("chat:a", entry("ann", "s1"), 5_000);
      await b.engine.presenceEnter("chat:a", entry("bob", "s2"), 5_000);
      for (let passed = 0; passed < 20_000; passed += 1_000) {
        b.pass(1_000);
        if (passed % 4_000 === 0) await b.engine.presenceEnter("chat:a", entry("ann", "s1"), 5_000);
      }
      assert.deepEqual(got, ["ann online", "bob online", "bob offline"]);
      b.pass(60_000);
      assert.deepEqual(got.slice(3), ["ann offline"]);
      assert.deepEqual([...await b.engine.presence("chat:a")], []);
    });
  }

  if (restart) {
    test("every committed message and every dedupe key survives a restart", async (b) => {
      const options = { retention: KEEP, dedupeKey: "k1" };
      const first = await b.engine.publish("chat:a", record("m0", b.time()), options);
      await fill(b, "chat:a", 20);
      const before = await b.engine.read("chat:a");
      const engine = await b.restart!();
      assert.deepEqual(await engine.read("chat:a"), before);
      const again = await engine.publish("chat:a", record("m0", b.time()), options);
      assert.deepEqual(again, { ...first, duplicate: true });
      const next = await engine.publish("chat:a", record("next", b.time()), { retention: KEEP });
      assert.ok(next.offset > before.offset);
      assert.equal(next.epoch, before.epoch);
    });
  } else {
    test("an engine that lost its history is in another epoch", async (b) => {
      const { epoch } = await b.engine.publish("chat:a", record("m0", b.time()), { retention: KEEP });
      const other = await open({ now: b.time, dedupeWindow: 10_000 });
      try {
        assert.notEqual((await other.engine.position("chat:a")).epoch, epoch);
      } finally {
        await other.close();
      }
    });
  }

  if (peers) {
    test("what one instance publishes, signals and enters, another one sees", async (b) => {
      const peer = await b.peer!();
      const got: string[] = [];
      peer.onEphemeral((channel, { type }) => got.push(`${channel} ${type}`));
      peer.onPresence((channel, event, { userId }) => got.push(`${channel} ${userId} ${event}`));
      await peer.follow("chat:a", (channel, { id }) => got.push(`${channel} ${id}`));
      await fill(b, "chat:a", 1);
      await until(() => got.length >= 1);
      b.engine.publishEphemeral("chat:a", {
        type: "typing_start",
        id: "t1",
        from: "ann",
        sessionId: "s1",
        timestamp: b.time(),
        payload: {},
      });
      await until(() => got.length >= 2);
      await b.engine.presenceEnter("chat:a", entry("ann", "s1"), 30_000);
      await until(() => got.length >= 3);
      assert.deepEqual(got, ["chat:a m0", "chat:a typing_start", "chat:a ann online"]);
      assert.deepEqual([...await peer.presence("chat:a")], [entry("ann", "s1")]);
      await peer.close();
    });
  }
}

function bare({ type, id, from, timestamp, payload }: StoredRecord): NewRecord {
  return { type, id, from, timestamp, payload };
}

function entry(userId: string, sessionId: string): PresenceEntry {
  return { userId, sessionId };
}

/** Waits for what an engine does in its own time. */
async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error("it did not come to be within 10 s");
    await settle();
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

/** Publishing and following: a part of the conformance suite. */

import assert from "node:assert/strict";
import { systemClock } from "../../../src/async/clock.ts";
import type { EphemeralMessage, StoredRecord } from "../../../src/engine/contract.ts";
import { bare, type Capabilities, fill, KEEP, record, registerFor, settle, until } from "./subject.ts";

const typing: EphemeralMessage = {
  type: "typing_start",
  id: "t1",
  from: "ann",
  sessionId: "s1",
  timestamp: 1_700_000_000_000,
  payload: {},
};

/** Registers the tests. */
export function logConformance(capabilities: Capabilities): void {
  const test = registerFor(capabilities, "log");

  test("a channel nobody published to is at offset 0 with nothing in it", async ({ engine: { log } }) => {
    const { epoch, offset } = await log.position("chat:none");
    assert.equal(offset, 0);
    assert.match(epoch, /^[\x21-\x7e]{1,64}$/);
    const page = await log.read("chat:none");
    assert.deepEqual(page.records, []);
    assert.equal(page.complete, true);
    assert.deepEqual(await log.get("chat:none", 1), { epoch, offset: 0, record: undefined });
  });

  test("offsets rise from publish to publish and prev names the one before", async ({ engine, time }) => {
    const { log } = engine;
    const offsets = [0];
    for (let i = 0; i < 5; i++) {
      const { offset, epoch, duplicate } = await log.publish("chat:a", record(`m${i}`, time()), {
        retention: KEEP,
      });
      assert.equal(duplicate, false);
      assert.ok(offset > offsets.at(-1)!);
      offsets.push(offset);
      assert.deepEqual(await log.position("chat:a"), { epoch, offset });
      await log.publish("chat:b", record(`other${i}`, time()), { retention: KEEP });
    }
    const { records, complete } = await log.read("chat:a");
    assert.equal(complete, true);
    assert.deepEqual(records.map(({ offset }) => offset), offsets.slice(1));
    assert.deepEqual(records.map(({ prev }) => prev), offsets.slice(0, -1));
    assert.deepEqual(bare(records[2]!), record("m2", time()));
  });

  test("bytes of a payload come back as bytes, among other fields", async ({ engine, time, restart }) => {
    const data = new Uint8Array([0, 1, 255, 128]);
    const payload = { data, note: "AAH/gA==", nested: { n: 1 } };
    await engine.log.publish("doc:a", { ...record("m", time()), payload }, { retention: KEEP });
    for (const { log } of restart === undefined ? [engine] : [engine, await restart()]) {
      assert.deepEqual((await log.read("doc:a")).records[0]!.payload, payload);
    }
  });

  test("large texts come back as they were, whatever is in them", async ({ engine, time }) => {
    for (const length of [8191, 8192, 8193, 12_288, 16_384, 20_000]) {
      for (const odd of ["x", "\u00fc", "\u20ac", "\ud83d\ude00", "\ud800", "\udc00", "\ufeff"]) {
        const rest = "x".repeat(length - odd.length);
        const texts = [odd + rest, rest + odd, rest.slice(0, 4000) + odd + rest.slice(4000)];
        const payload = { first: texts[0], text: texts[1], last: texts[2], short: odd };
        const { offset } = await engine.log.publish("chat:a", { ...record("m1", time()), payload }, {
          retention: KEEP,
        });
        const [kept] = (await engine.log.read("chat:a", { since: offset - 1 })).records;
        assert.ok(
          JSON.stringify(kept!.payload) === JSON.stringify(payload),
          `${length} ${JSON.stringify(odd)}`,
        );
      }
    }
  });

  test("a known dedupe key has no second effect and gets the first one's place", async (b) => {
    const { log } = b.engine;
    const got: StoredRecord[] = [];
    await log.follow("chat:a", (_channel, record) => got.push(record));
    const options = { retention: KEEP, dedupeKey: "k1" };
    const first = await log.publish("chat:a", record("m1", b.time()), options);
    await fill(b, "chat:a", 2);
    const again = await log.publish("chat:a", record("m1", b.time()), options);
    assert.deepEqual(again, { ...first, duplicate: true });
    // Another channel has its own keys.
    assert.equal((await log.publish("chat:b", record("m1", b.time()), options)).duplicate, false);
    assert.equal((await log.read("chat:a")).records.length, 3);
    await until(() => got.length >= 3);
    assert.deepEqual(got.map(({ id }) => id), ["m1", "m0", "m1"]);
  });

  test("of publishes with one key at the same time one is kept", async ({ engine: { log }, time }) => {
    const options = { retention: KEEP, dedupeKey: "k1" };
    const results = await Promise.all(
      Array.from({ length: 8 }, () => log.publish("chat:a", record("m1", time()), options)),
    );
    assert.equal(results.filter(({ duplicate }) => !duplicate).length, 1);
    assert.equal(new Set(results.map(({ offset }) => offset)).size, 1);
    assert.equal((await log.read("chat:a")).records.length, 1);
  });

  test("a follower gets each message once, in order, from when it follows until it does not", async (b) => {
    const { log } = b.engine;
    const got: string[] = [];
    await fill(b, "chat:a", 1);
    await log.follow("chat:a", (channel, { id, offset, prev }, epoch) => {
      assert.ok(offset > prev);
      assert.notEqual(epoch, "");
      got.push(`${channel} ${id}`);
    });
    const many = Array.from({ length: 20 }, (_, i) => `n${i}`);
    await Promise.all(many.map((id) => log.publish("chat:a", record(id, b.time()), { retention: KEEP })));
    await log.publish("chat:b", record("other", b.time()), { retention: KEEP });
    await until(() => got.length >= many.length);
    const kept = (await log.read("chat:a")).records.slice(1).map(({ id }) => `chat:a ${id}`);
    assert.deepEqual(got, kept);
    log.unfollow("chat:a");
    await fill(b, "chat:a", 1);
    await settle();
    assert.equal(got.length, many.length);
  });

  test("a follower that throws fails no publish and gets the next message", async (b) => {
    let calls = 0;
    await b.engine.log.follow("chat:a", () => {
      calls++;
      throw new Error("broken follower");
    });
    await fill(b, "chat:a", 2);
    await until(() => calls === 2);
    assert.equal((await b.engine.log.position("chat:a")).offset > 0, true);
  });

  test("an ephemeral message reaches the listener of a followed channel and leaves no trace", async (b) => {
    const { log } = b.engine;
    const got: [string, EphemeralMessage][] = [];
    log.onEphemeral((channel, message) => got.push([channel, message]));
    log.publishEphemeral("chat:a", typing);
    await log.follow("chat:a", () => {});
    log.publishEphemeral("chat:a", typing);
    await until(() => got.length > 0);
    await settle();
    assert.deepEqual(got, [["chat:a", typing]]);
    assert.equal((await log.position("chat:a")).offset, 0);
  });

  if (capabilities.clock) {
    test("a dedupe key is known for the window and forgotten some time after it", async (b) => {
      const options = { retention: KEEP, dedupeKey: "k1" };
      const publish = async () =>
        (await b.engine.log.publish("chat:a", record("m1", b.time()), options)).duplicate;
      assert.equal(await publish(), false);
      for (let passed = 0; passed < 9_000; passed += 1_000) b.pass(1_000);
      assert.equal(await publish(), true);
      for (let passed = 0; passed < 21_000; passed += 1_000) b.pass(1_000);
      assert.equal(await publish(), false);
    });

    test("a dedupe key is known for the whole window, whenever in the engine's life it came", async (b) => {
      const publish = async (second: number) => {
        const options = { retention: KEEP, dedupeKey: `k${second}` };
        return (await b.engine.log.publish("chat:a", record(`m${second}`, b.time()), options)).duplicate;
      };
      for (let second = 0; second < 45; second++) {
        assert.equal(await publish(second), false);
        if (second >= 9) assert.equal(await publish(second - 9), true, `of second ${second - 9}`);
        b.pass(1_000);
      }
    });
  }

  if (capabilities.restart) {
    test("every committed message and every dedupe key survives a restart", async (b) => {
      const options = { retention: KEEP, dedupeKey: "k1" };
      const first = await b.engine.log.publish("chat:a", record("m0", b.time()), options);
      await fill(b, "chat:a", 20);
      const before = await b.engine.log.read("chat:a");
      const { log } = await b.restart!();
      assert.deepEqual(await log.read("chat:a"), before);
      const again = await log.publish("chat:a", record("m0", b.time()), options);
      assert.deepEqual(again, { ...first, duplicate: true });
      const next = await log.publish("chat:a", record("next", b.time()), { retention: KEEP });
      assert.ok(next.offset > before.offset);
      assert.equal(next.epoch, before.epoch);
    });
  } else {
    test("an engine that lost its history is in another epoch", async (b) => {
      const { epoch } = await b.engine.log.publish("chat:a", record("m0", b.time()), { retention: KEEP });
      const other = await capabilities.open({ clock: systemClock, dedupeWindow: 10_000 });
      try {
        assert.notEqual((await other.engine.log.position("chat:a")).epoch, epoch);
      } finally {
        await other.close();
      }
    });
  }

  if (capabilities.peers) {
    test("two instances have one history, one order and one set of dedupe keys", async (b) => {
      const peer = await b.peer();
      const got: string[][] = [[], []];
      for (const [i, { log }] of [b.engine, peer].entries()) {
        await log.follow("chat:a", (_channel, { id, offset }) => got[i]!.push(`${id} ${offset}`));
      }
      const options = (key: string) => ({ retention: KEEP, dedupeKey: key });
      const published = await Promise.all(Array.from({ length: 20 }, (_, i) => {
        const { log } = i % 2 === 0 ? b.engine : peer;
        return log.publish("chat:a", record(`m${i}`, b.time()), options(`k${i}`));
      }));
      await until(() => got.every(({ length }) => length === 20));
      assert.deepEqual(got[0], got[1]);
      assert.deepEqual(await peer.log.read("chat:a"), await b.engine.log.read("chat:a"));
      const again = await peer.log.publish("chat:a", record("m0", b.time()), options("k0"));
      assert.deepEqual(again, { ...published[0], duplicate: true });
    });

    test("an ephemeral message reaches the other instance, and its own no more once it has closed", async (b) => {
      const peer = await b.peer();
      const got: string[] = [];
      for (const { log } of [b.engine, peer]) {
        log.onEphemeral((channel, { type }) => got.push(`${channel} ${type}`));
        await log.follow("chat:a", () => {});
      }
      b.engine.log.publishEphemeral("chat:a", typing);
      await until(() => got.length === 2);
      await peer.close();
      b.engine.log.publishEphemeral("chat:a", typing);
      await until(() => got.length >= 3);
      await settle();
      assert.equal(got.length, 3);
    });
  }
}

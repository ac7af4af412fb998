/** What of a channel's history is kept and read: a part of the conformance suite. */

import assert from "node:assert/strict";
import type { ReadOptions, StoredRecord } from "../../../src/engine/contract.ts";
import { type Capabilities, fill, registerFor, until } from "./subject.ts";

/** Registers the tests. */
export function historyConformance(capabilities: Capabilities): void {
  const test = registerFor(capabilities, "history");

  test("is read forward after an offset and backward before one, at most limit messages", async (b) => {
    const at = await fill(b, "chat:a", 6);
    const ids = async (options: ReadOptions) =>
      (await b.engine.log.read("chat:a", options)).records.map(({ id }) => id);
    assert.deepEqual(await ids({ limit: 2 }), ["m0", "m1"]);
    assert.deepEqual(await ids({ since: at[1]! }), ["m2", "m3", "m4", "m5"]);
    assert.deepEqual(await ids({ since: at[1]!, limit: 2 }), ["m2", "m3"]);
    assert.deepEqual(await ids({ since: at[5]! }), []);
    assert.deepEqual(await ids({ since: at[5]! + 100 }), []);
    assert.deepEqual(await ids({ reverse: true, limit: 2 }), ["m5", "m4"]);
    assert.deepEqual(await ids({ reverse: true, since: at[2]! }), ["m1", "m0"]);
    assert.deepEqual(await ids({ reverse: true, since: at[0]! }), []);
    assert.deepEqual(await ids({ reverse: true, since: at[5]! + 100, limit: 1 }), ["m5"]);
  });

  test("is read after and before offsets that no message has", async (b) => {
    const at: number[] = [];
    for (let i = 0; i < 4; i++) {
      await fill(b, "chat:other", 1);
      at.push(...await fill(b, "chat:a", 1));
    }
    const offsets = async (options: ReadOptions) =>
      (await b.engine.log.read("chat:a", options)).records.map(({ offset }) => offset);
    // Where offsets are dense, these are offsets of messages.
    assert.deepEqual(await offsets({ since: at[2]! - 1 }), at.slice(2));
    assert.deepEqual(await offsets({ since: at[1]! + 1, reverse: true }), [at[1]!, at[0]!]);
  });

  test("one message is found by its offset alone", async (b) => {
    const at = await fill(b, "chat:a", 5, { size: 3, age: 60_000 });
    const { epoch, offset } = await b.engine.log.position("chat:a");
    for (const [i, each] of at.entries()) {
      const found = await b.engine.log.get("chat:a", each);
      assert.deepEqual([found.epoch, found.offset], [epoch, offset]);
      assert.equal(found.record?.id, i < 2 ? undefined : `m${i}`);
    }
    for (const none of [0, at[4]! + 1, at[4]! + 0.5]) {
      assert.equal((await b.engine.log.get("chat:a", none)).record, undefined);
    }
  });

  test("keeps only the newest messages, and a gap before them is said", async (b) => {
    const { log } = b.engine;
    const at = await fill(b, "chat:a", 7, { size: 3, age: 60_000 });
    const all = await log.read("chat:a");
    assert.deepEqual(all.records.map(({ id }) => id), ["m4", "m5", "m6"]);
    assert.equal(all.records[0]!.prev, at[3]);
    assert.equal((await log.read("chat:a", { since: at[2]! })).complete, false);
    assert.equal((await log.read("chat:a", { since: at[3]! })).complete, true);
    assert.equal((await log.read("chat:a", { since: at[6]! })).complete, true);
    assert.equal((await log.read("chat:a", { since: at[6]!, reverse: true })).complete, true);
    assert.equal((await log.read("chat:a", { since: at[4]!, reverse: true })).complete, false);
  });

  test("of an ephemeral channel is empty, but its offsets count", async (b) => {
    const { log } = b.engine;
    const got: StoredRecord[] = [];
    await log.follow("chat:a", (_channel, record) => got.push(record));
    const at = await fill(b, "chat:a", 3, { size: 0, age: 60_000 });
    await until(() => got.length === 3);
    assert.deepEqual(got.map(({ offset }) => offset), at);
    assert.deepEqual(got.map(({ prev }) => prev), [0, ...at.slice(0, -1)]);
    const page = await log.read("chat:a", { since: at[0]! });
    assert.deepEqual(page.records, []);
    assert.equal(page.complete, false);
    assert.equal(page.offset, at[2]);
    assert.equal((await log.read("chat:a", { since: at[2]! })).complete, true);
  });

  test("is trimmed up to an offset, but its last message stays", async (b) => {
    const { log } = b.engine;
    const at = await fill(b, "doc:a", 6);
    await log.trim("doc:a", at[2]!);
    const page = await log.read("doc:a", { since: at[1]! });
    assert.equal(page.complete, false);
    assert.deepEqual(page.records.map(({ id }) => id), ["m3", "m4", "m5"]);
    assert.equal((await log.read("doc:a", { since: at[2]! })).complete, true);
    await log.trim("doc:a", at[5]! + 10);
    const last = await log.read("doc:a");
    assert.deepEqual(last.records.map(({ id, prev }) => [id, prev]), [["m5", at[4]]]);
    await log.trim("doc:a", at[0]!);
    assert.equal((await log.read("doc:a")).records.length, 1);
    await log.trim("doc:none", 5);
    assert.equal((await log.position("doc:none")).offset, 0);
  });

  test("is trimmed except some messages before the offset", async (b) => {
    const { log } = b.engine;
    const at = await fill(b, "doc:a", 6);
    const left = async () => (await log.read("doc:a")).records.map(({ id }) => id);
    await log.trim("doc:a", at[3]!, 10);
    assert.equal((await left()).length, 6);
    await log.trim("doc:a", at[3]!, 2);
    assert.deepEqual(await left(), ["m2", "m3", "m4", "m5"]);
    await log.trim("doc:a", at[5]! + 10, 2);
    assert.deepEqual(await left(), ["m4", "m5"]);
  });

  if (capabilities.clock) {
    test("loses messages past their age with a sweep", async (b) => {
      await fill(b, "chat:a", 2, { size: 100, age: 5_000 });
      b.pass(4_000);
      const at = await fill(b, "chat:a", 1, { size: 100, age: 5_000 });
      b.pass(1_500);
      const page = await b.engine.log.read("chat:a", { since: 0 });
      assert.deepEqual(page.records.map(({ offset }) => offset), at);
      assert.equal(page.complete, false);
    });
  }
}

/** What is removed for good: a part of the conformance suite. */

import assert from "node:assert/strict";
import type { Engine } from "../../../src/engine/contract.ts";
import type { Payload } from "../../../src/protocol/mod.ts";
import { begin, bytesOf, finish, uploadOf } from "./blob_files.ts";
import { type Bench, type Capabilities, fill, KEEP, record, registerFor, until } from "./subject.ts";

const CHANNEL = "chat:a";

interface Said {
  readonly from?: string;
  readonly type?: string;
  readonly payload: Payload;
}

async function say(b: Bench, { from = "ann", type = "chat_message", payload }: Said, channel = CHANNEL) {
  const message = { ...record("m", b.time()), from, type, payload };
  return (await b.engine.log.publish(channel, message, { retention: KEEP })).offset;
}

async function edit(b: Bench, target: number, text: string, from = "ann"): Promise<number> {
  const message = { ...record("e", b.time()), from, type: "chat_edit", payload: { target, text } };
  const change = { kind: "replace", target, content: { text } } as const;
  return (await b.engine.log.publish(CHANNEL, message, { retention: KEEP, edit: change })).offset;
}

/** Takes ann's words away from a channel, `limit` messages at a time; how many they were. */
async function redactAll({ log }: Engine, channel = CHANNEL, limit = 2): Promise<number> {
  let count = 0, since: number | undefined = 0;
  while (since !== undefined) {
    const step: { count: number; upTo?: number } = await log.redact(channel, { from: "ann", since, limit });
    count += step.count;
    since = step.upTo;
  }
  return count;
}

async function payloads({ log }: Engine): Promise<Payload[]> {
  return (await log.read(CHANNEL)).records.map(({ payload }) => payload);
}

/** Registers the tests. */
export function erasureConformance(capabilities: Capabilities): void {
  const test = registerFor(capabilities, "erasure");

  test("a channel that is forgotten begins anew, in another epoch and without values or keys", async (b) => {
    const { log, values } = b.engine;
    const options = { retention: KEEP, dedupeKey: "k1" };
    await log.publish(CHANNEL, record("m1", b.time()), options);
    await fill(b, CHANNEL, 5);
    await fill(b, "chat:b", 1);
    await values.put({ channel: CHANNEL, name: "v" }, { data: new Uint8Array([1]) });
    const before = await log.position(CHANNEL);
    assert.equal(await log.forget(CHANNEL), true);
    assert.equal(await log.forget("chat:never"), false);
    const after = await log.position(CHANNEL);
    assert.equal(after.offset, 0);
    assert.notEqual(after.epoch, before.epoch);
    assert.deepEqual((await log.read(CHANNEL)).records, []);
    assert.equal(await values.get({ channel: CHANNEL, name: "v" }), undefined);
    assert.equal((await log.read("chat:b")).records.length, 1);
    const again = await log.publish(CHANNEL, record("m1", b.time()), options);
    assert.deepEqual([again.duplicate, again.epoch], [false, after.epoch]);
    if (b.restart === undefined) return;
    const { log: restarted } = await b.restart();
    assert.deepEqual((await restarted.read(CHANNEL)).records.map(({ id }) => id), ["m1"]);
    assert.equal((await restarted.position(CHANNEL)).epoch, after.epoch);
  });

  test("who follows a channel hears that it was forgotten, and of what is said in it later", async (b) => {
    const { engine } = b;
    const engines = capabilities.peers ? [engine, await b.peer()] : [engine];
    const heard: string[][] = engines.map(() => []);
    for (const [index, { log }] of engines.entries()) {
      log.onForget((channel) => heard[index]!.push(`forgotten ${channel}`));
      await log.follow(CHANNEL, (_channel, { id }, epoch) => void heard[index]!.push(`${id} ${epoch}`));
    }
    await fill(b, CHANNEL, 1);
    await until(() => heard.every((each) => each.length === 1));
    await engine.log.forget("chat:b");
    await engine.log.forget(CHANNEL);
    await until(() => heard.every((each) => each.length === 2));
    const { epoch } = await engine.log.publish(CHANNEL, record("new", b.time()), { retention: KEEP });
    await until(() => heard.every((each) => each.length === 3));
    for (const each of heard) assert.deepEqual(each.slice(1), [`forgotten ${CHANNEL}`, `new ${epoch}`]);
  });

  test("a streamed message of a forgotten channel grows no more", async (b) => {
    const message = { ...record("m", b.time()), payload: { text: "", stream: "open" } };
    const { offset } = await b.engine.log.publish(CHANNEL, message, { retention: KEEP, patience: 1000 });
    await b.engine.log.forget(CHANNEL);
    await fill(b, CHANNEL, 1);
    b.pass(2000);
    const growth = { target: offset, from: "ann", at: 0, content: "x", most: 100, patience: 1000 };
    // Where all channels count together, nothing is kept at the offset.
    assert.ok(["ended", "unknown"].includes((await b.engine.log.grow(CHANNEL, growth)).refused!));
    assert.deepEqual(await payloads(b.engine), [record("m0", 0).payload]);
  });

  test("channels are listed in order of their names, those with values alone too", async (b) => {
    for (const channel of ["chat:c", "chat:a", "doc:z"]) await fill(b, channel, 1);
    await b.engine.values.put({ channel: "chat:b", name: "v" }, {});
    const { log } = b.engine;
    assert.deepEqual(await log.list(), ["chat:a", "chat:b", "chat:c", "doc:z"]);
    assert.deepEqual(await log.list({ after: "chat:a", limit: 2 }), ["chat:b", "chat:c"]);
    assert.deepEqual(await log.list({ after: "doc:z" }), []);
  });

  test("of what a user said a mark without content stays, and of others all", async (b) => {
    const { engine } = b;
    const first = await say(b, { payload: { text: "one", priority: "high" } });
    const other = await say(b, { from: "bob", payload: { text: "two" } });
    const byOther = await edit(b, first, "one again", "server");
    const own = await edit(b, other, "two by ann");
    const direct = await say(b, { type: "direct_message", payload: { to: "bob", text: "three" } });
    const later = await say(b, { from: "bob", payload: { text: "four" } });
    assert.equal(await redactAll(engine), 3);
    const marks = [
      { data: null, deleted: first },
      { data: null, deleted: own },
      { target: first, data: null, deleted: first },
      { target: other, data: null, deleted: own },
      { to: "bob", data: null },
      { text: "four" },
    ];
    assert.deepEqual(await payloads(engine), marks);
    assert.deepEqual((await engine.log.get(CHANNEL, byOther)).record?.payload, marks[2]);
    assert.deepEqual((await engine.log.get(CHANNEL, direct)).record?.from, "ann");
    assert.deepEqual((await engine.log.position(CHANNEL)).offset, later);
    assert.equal(await redactAll(engine), 0);
    if (b.restart !== undefined) assert.deepEqual(await payloads(await b.restart()), marks);
  });

  test("a streamed message whose words are taken away grows no more", async (b) => {
    const message = { ...record("m", b.time()), payload: { text: "so far", stream: "open" } };
    const { offset } = await b.engine.log.publish(CHANNEL, message, { retention: KEEP, patience: 1000 });
    assert.equal(await redactAll(b.engine), 1);
    const growth = { target: offset, from: "ann", at: 6, content: "!", most: 100, patience: 1000 };
    assert.equal((await b.engine.log.grow(CHANNEL, growth)).refused, "ended");
    b.pass(2000);
    assert.deepEqual(await payloads(b.engine), [{ data: null, deleted: offset }]);
  });

  test("files are listed by user, by channel and from an id on, and uploads by user", async ({ engine }) => {
    const { blobs } = engine;
    assert.deepEqual(await blobs.list({ limit: 10 }), []);
    const places = [["ann", "chat:a"], ["ann", "chat:b"], ["bob", "chat:a"]] as const;
    for (const [index, [userId, channel]] of places.entries()) {
      const bytes = bytesOf(index);
      await finish(await begin(engine, bytes, { userId, channel }), bytes, `file${index}`);
    }
    const ids = async (options: Parameters<typeof blobs.list>[0]) =>
      (await blobs.list(options)).map(({ fileId }) => fileId);
    assert.deepEqual(await ids({ limit: 2 }), ["file0", "file1"]);
    assert.deepEqual(await ids({ limit: 2, after: "file1" }), ["file2"]);
    assert.deepEqual(await ids({ limit: 9, userId: "ann" }), ["file0", "file1"]);
    assert.deepEqual(await ids({ limit: 9, channel: "chat:a" }), ["file0", "file2"]);
    assert.deepEqual(await ids({ limit: 9, userId: "bob", channel: "chat:b" }), []);
    const partial = bytesOf(9);
    const writer = await begin(engine, partial, { userId: "ann" });
    await writer.close();
    assert.deepEqual(await blobs.uploads("ann"), [uploadOf(partial).key]);
    assert.deepEqual(await blobs.uploads("bob"), []);
  });

  test("what is kept is still there after what was removed is overwritten", async (b) => {
    await fill(b, CHANNEL, 20);
    await b.engine.log.forget("chat:b");
    await redactAll(b.engine);
    await say(b, { from: "bob", payload: { text: "kept" } });
    await b.engine.scrub();
    assert.deepEqual((await payloads(b.engine)).at(-1), { text: "kept" });
    await fill(b, CHANNEL, 1);
    assert.equal((await payloads(b.engine)).length, 22);
  });
}

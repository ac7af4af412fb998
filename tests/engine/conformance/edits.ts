/** Edits and deletions of kept messages: a part of the conformance suite. */

import assert from "node:assert/strict";
import type { Edit, StoredRecord } from "../../../src/engine/contract.ts";
import type { Payload } from "../../../src/protocol/mod.ts";
import { type Bench, type Capabilities, fill, KEEP, record, registerFor } from "./subject.ts";

/** Registers the tests. */
export function editConformance(capabilities: Capabilities): void {
  const test = registerFor(capabilities, "edits");

  const publish = async ({ engine, time }: Bench, id: string, edit: Edit): Promise<number> => {
    const message = { ...record(id, time()), payload: { target: edit.target, text: id } };
    return (await engine.log.publish("chat:a", message, { retention: KEEP, edit })).offset;
  };
  /** Payloads by id, also after a restart. */
  const payloads = async (b: Bench): Promise<Record<string, Payload>[]> => {
    const engines = b.restart === undefined ? [b.engine] : [b.engine, await b.restart()];
    return await Promise.all(engines.map(async ({ log }) => {
      const { records } = await log.read("chat:a");
      return Object.fromEntries(records.map(({ id, payload }) => [id, payload]));
    }));
  };

  test("a message has other content from the commit on, and says which message changed it", async (b) => {
    const at = await fill(b, "chat:a", 2);
    const by = await publish(b, "edit", { kind: "replace", target: at[0]!, content: { text: "new" } });
    for (const now of await payloads(b)) {
      assert.deepEqual(Object.keys(now), ["m0", "m1", "edit"]);
      assert.deepEqual(now.m0, { text: "new", edited: by });
      assert.deepEqual(now.m1, record("m1", 0).payload);
      assert.deepEqual(now.edit, { target: at[0], text: "edit" });
    }
  });

  test("the message of an edit that a later one replaces is emptied", async (b) => {
    const [target = 0] = await fill(b, "chat:a", 1);
    const ids = ["e1", "e2", "e3"];
    const by = await Promise.all(
      ids.map((id) => publish(b, id, { kind: "replace", target, content: { text: id } })),
    );
    for (const now of await payloads(b)) {
      assert.deepEqual(now.m0, { text: "e3", edited: by[2] });
      assert.deepEqual(now.e1, { target, data: null, deleted: by[1] });
      assert.deepEqual(now.e2, { target, data: null, deleted: by[2] });
      assert.deepEqual(now.e3, { target, text: "e3" });
    }
  });

  test("a message that is erased has no content, nor has the edit before", async (b) => {
    const [target = 0] = await fill(b, "chat:a", 1);
    await publish(b, "e1", { kind: "replace", target, content: { text: "new" } });
    const by = await publish(b, "gone", { kind: "erase", target });
    for (const now of await payloads(b)) {
      assert.deepEqual(now.m0, { data: null, deleted: by });
      assert.deepEqual(now.e1, { target, data: null, deleted: by });
    }
  });

  test("an erased message stays erased", async (b) => {
    const [target = 0] = await fill(b, "chat:a", 1);
    const by = await publish(b, "gone", { kind: "erase", target });
    await publish(b, "late", { kind: "replace", target, content: { text: "back" } });
    await publish(b, "again", { kind: "erase", target });
    for (const now of await payloads(b)) assert.deepEqual(now.m0, { data: null, deleted: by });
  });

  test("an edit that is committed after the deletion of its target leaves no text", async (b) => {
    const followed: StoredRecord[] = [];
    await b.engine.log.follow("chat:a", (_channel, record) => void followed.push(record));
    const [target = 0] = await fill(b, "chat:a", 1);
    // Sent at once, so that an engine that commits in groups has both in one.
    const [by] = await Promise.all([
      publish(b, "gone", { kind: "erase", target }),
      publish(b, "late", { kind: "replace", target, content: { text: "late" } }),
    ]);
    await publish(b, "later", { kind: "replace", target, content: { text: "later" } });
    const emptied = { target, data: null, deleted: by };
    for (const now of await payloads(b)) assert.deepEqual([now.late, now.later], [emptied, emptied]);
    assert.deepEqual(followed.map(({ payload }) => payload).slice(-2), [emptied, emptied]);
  });

  test("a duplicate edits nothing", async (b) => {
    const [target = 0] = await fill(b, "chat:a", 1);
    const send = (text: string) =>
      b.engine.log.publish("chat:a", record("e", b.time()), {
        retention: KEEP,
        dedupeKey: "k",
        edit: { kind: "replace", target, content: { text } },
      });
    const { offset } = await send("first");
    assert.equal((await send("second")).duplicate, true);
    for (const now of await payloads(b)) assert.deepEqual(now.m0, { text: "first", edited: offset });
  });

  test("a target that is not kept, or does not exist, changes nothing", async (b) => {
    const at = await fill(b, "chat:a", 3);
    await b.engine.log.trim("chat:a", at[0]!);
    for (const target of [at[0]!, at[2]! + 1, at[2]! + 100, 0]) {
      await publish(b, `e${target}`, { kind: "erase", target });
    }
    for (const now of await payloads(b)) {
      assert.deepEqual([now.m1, now.m2], [record("m1", 0).payload, record("m2", 0).payload]);
    }
  });
}

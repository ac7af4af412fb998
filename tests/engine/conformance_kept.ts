/** What every engine must do for edits, documents and read positions: a part of the conformance suite. */

import assert from "node:assert/strict";
import type { Payload } from "../../src/protocol/mod.ts";
import { type Bench, fill, KEEP, record } from "./conformance_bench.ts";

/** Registers the tests; `restart`: committed messages survive one. */
export function keptConformance(
  test: (says: string, body: (bench: Bench) => Promise<void>) => void,
  restart: boolean,
): void {
  test("bytes of a payload come back as bytes, among other fields", async ({ engine, time, restart: again }) => {
    const data = new Uint8Array([0, 1, 255, 128]);
    const payload = { data, note: "AAH/gA==", nested: { n: 1 } };
    await engine.publish("doc:a", { ...record("m", time()), payload }, { retention: KEEP });
    for (const reader of restart ? [engine, await again!()] : [engine]) {
      assert.deepEqual((await reader.read("doc:a")).records[0]!.payload, payload);
    }
  });

  test("an amendment takes place with the commit, and a duplicate amends nothing", async (b) => {
    const { engine, time } = b;
    const at = await fill(b, "chat:a", 2);
    const amend = [
      { offset: at[0]!, change: (kept: Payload, by: number) => ({ ...kept, by }) },
      { offset: 999, change: () => ({ never: true }) },
    ];
    const publish = () =>
      engine.publish("chat:a", record("edit", time()), { retention: KEEP, dedupeKey: "k", amend });
    const { offset } = await publish();
    const payload = (await engine.read("chat:a")).records[0]!.payload;
    assert.equal(payload.by, offset);
    assert.equal((await publish()).duplicate, true);
    for (const reader of restart ? [engine, await b.restart!()] : [engine]) {
      const { records } = await reader.read("chat:a");
      assert.deepEqual(records.map(({ id }) => id), ["m0", "m1", "edit"]);
      assert.deepEqual(records[0]!.payload, payload);
    }
  });

  test("what an amendment replaces says what else is amended, when it is committed", async (b) => {
    const { engine, time } = b;
    const [first] = await fill(b, "chat:a", 1);
    // Each remembers its place in the first message, and takes the text out of the one that stood there before.
    const change = (kept: Payload, by: number) => ({ ...kept, last: by });
    const next = ({ last }: Payload) =>
      typeof last === "number" ? { offset: last, change: (_: Payload, by: number) => ({ by }) } : undefined;
    const amend = [{ offset: first!, change, next }];
    const publish = (id: string) =>
      engine.publish("chat:a", { ...record(id, time()), payload: { text: id } }, { retention: KEEP, amend });
    const places = (await Promise.all(["e1", "e2", "e3"].map(publish))).map(({ offset }) => offset);
    for (const reader of restart ? [engine, await b.restart!()] : [engine]) {
      const { records } = await reader.read("chat:a");
      assert.equal(records[0]!.payload.last, places[2]);
      assert.deepEqual(records.slice(1).map(({ payload }) => payload), [
        { by: places[1] },
        { by: places[2] },
        { text: "e3" },
      ]);
    }
  });

  test("a channel is trimmed up to an offset, but its last message stays", async (b) => {
    const { engine } = b;
    const at = await fill(b, "doc:a", 6);
    await engine.trim("doc:a", at[2]!);
    const page = await engine.read("doc:a", { since: at[1]! });
    assert.equal(page.complete, false);
    assert.deepEqual(page.records.map(({ id }) => id), ["m3", "m4", "m5"]);
    assert.equal((await engine.read("doc:a", { since: at[2]! })).complete, true);
    await engine.trim("doc:a", at[5]! + 10);
    const last = await engine.read("doc:a");
    assert.deepEqual(last.records.map(({ id, prev }) => [id, prev]), [["m5", at[4]]]);
    await engine.trim("doc:a", at[0]!);
    assert.equal((await engine.read("doc:a")).records.length, 1);
    await engine.trim("doc:none", 5);
    assert.equal((await engine.position("doc:none")).offset, 0);
  });

  test("a bookmark goes forward only, and begins anew in another epoch", async (b) => {
    const { engine } = b;
    await fill(b, "doc:a", 3);
    const { epoch } = await engine.position("doc:a");
    assert.equal(await engine.bookmark("doc:a", "mark"), undefined);
    const set = (offset: number, data?: Uint8Array, of = epoch) =>
      engine.setBookmark(
        "doc:a",
        "mark",
        data === undefined ? { epoch: of, offset } : { epoch: of, offset, data },
      );
    const place = async (...args: Parameters<typeof set>) => (await set(...args)).offset;
    assert.equal(await place(2, new Uint8Array([2])), 2);
    assert.equal(await place(1, new Uint8Array([1])), 2);
    assert.equal(await place(2, new Uint8Array([3])), 2);
    assert.deepEqual((await engine.bookmark("doc:a", "mark"))!.data, new Uint8Array([2]));
    assert.equal(await place(3), 3);
    assert.equal(await engine.bookmark("doc:a", "other"), undefined);
    for (const reader of restart ? [engine, await b.restart!()] : [engine]) {
      assert.deepEqual(await reader.bookmark("doc:a", "mark"), { epoch, offset: 3 });
    }
    assert.equal(await place(1, undefined, "another"), 1);
  });
}

/** Keys of epochs: what they open, and when they are forgotten. */

import assert from "node:assert/strict";
import { EpochKeys } from "../../../src/client/groups/epoch_keys.ts";

const DOC = "doc:plan";
const secret = (tag: number) => ({
  content: crypto.getRandomValues(new Uint8Array(32)),
  tag: new Uint8Array([tag, 0, 0, 0]),
});
const data = new TextEncoder().encode("hello");

Deno.test("epoch keys: what was sealed opens in its channel, kind and epoch alone", async () => {
  const keys = new EpochKeys(), others = new EpochKeys();
  const first = secret(1);
  keys.begin(1, first, 0);
  others.begin(1, secret(2), 0);
  const sealed = await keys.seal(1, "operation", DOC, data);
  assert.deepEqual(await keys.open("operation", DOC, sealed), { data });
  for (const [kind, channel] of [["snapshot", DOC], ["operation", "doc:other"]] as const) {
    assert.deepEqual(await keys.open(kind, channel, sealed), { failure: "broken", epoch: 1 });
  }
  assert.deepEqual(await others.open("operation", DOC, sealed), { failure: "fork", epoch: 1 });
  assert.deepEqual(await new EpochKeys().open("operation", DOC, sealed), {
    failure: "unknown_epoch",
    epoch: 1,
  });
  for (let i = 0; i < sealed.length; i++) {
    const changed = sealed.slice();
    changed[i]! ^= 1;
    const opened = await keys.open("operation", DOC, changed).catch(() => ({ failure: "refused" }));
    assert.ok("failure" in opened, `byte ${i}`);
  }
  for (const cut of [new Uint8Array(), sealed.subarray(0, 9), new Uint8Array(40)]) {
    await assert.rejects(keys.open("operation", DOC, cut), { error: "bad_payload" });
  }
});

Deno.test("epoch keys: one is forgotten when it is old and nothing needs it", async () => {
  const keys = new EpochKeys();
  const old = secret(1);
  keys.begin(1, old, 100);
  const sealed = await keys.seal(1, "operation", DOC, data);
  keys.begin(2, secret(2), 200);
  keys.forget(1, 1000);
  keys.forget(2, 200);
  assert.ok("data" in await keys.open("operation", DOC, sealed), "a snapshot or time is missing");
  keys.forget(2, 201);
  assert.deepEqual(await keys.open("operation", DOC, sealed), { failure: "unknown_epoch", epoch: 1 });
  assert.deepEqual(old.content, new Uint8Array(32), "no copy of it stays");
  keys.forget(9, 9999);
  assert.deepEqual(keys.known().map(({ epoch }) => epoch), [2], "the current one stays");
});

Deno.test("epoch keys: their number is bounded", () => {
  const keys = new EpochKeys();
  for (let epoch = 0; epoch < 1100; epoch++) keys.begin(epoch, secret(epoch % 256), epoch);
  assert.equal(keys.known().length, 1000);
  assert.equal(keys.known()[0]!.epoch, 100);
});

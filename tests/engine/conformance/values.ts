/** Small values: a part of the conformance suite. */

import assert from "node:assert/strict";
import { type Capabilities, fill, registerFor } from "./subject.ts";

const bytes = (...data: number[]) => new Uint8Array(data);

/** Registers the tests. */
export function valueConformance(capabilities: Capabilities): void {
  const test = registerFor(capabilities, "values");

  test("a value comes back as it was put, with another revision each time", async (b) => {
    const { values } = b.engine;
    const key = { name: "k" };
    assert.equal(await values.get(key), undefined);
    const first = await values.put(key, { data: bytes(0, 1, 255), at: { epoch: "e", offset: 7 } });
    assert.deepEqual(await values.get(key), {
      data: bytes(0, 1, 255),
      at: { epoch: "e", offset: 7 },
      revision: first,
    });
    const second = await values.put(key, {});
    assert.notEqual(second, first);
    for (const { values } of b.restart === undefined ? [b.engine] : [b.engine, await b.restart()]) {
      assert.deepEqual(await values.get(key), { revision: second });
    }
  });

  test("values of one name in different channels, and in none, are different ones", async ({ engine }) => {
    const { values } = engine;
    const keys = [{ name: "k" }, { channel: "chat:a", name: "k" }, { channel: "chat:b", name: "k" }];
    for (const [i, key] of keys.entries()) await values.put(key, { data: bytes(i) });
    for (const [i, key] of keys.entries()) assert.deepEqual((await values.get(key))?.data, bytes(i));
    assert.equal(await values.get({ channel: "chat:a", name: "other" }), undefined);
  });

  test("a large value is kept whole", async ({ engine: { values } }) => {
    const data = new Uint8Array(3_000_000).map((_, i) => i * 7);
    const key = { channel: "doc:a", name: "snapshot" };
    await values.put(key, { data });
    assert.deepEqual((await values.get(key))?.data, data);
  });

  test("put with a revision replaces only that one, 0 only where there is none", async ({ engine }) => {
    const { values } = engine;
    const key = { name: "k" };
    const first = await values.put(key, { data: bytes(1) }, { revision: 0 });
    assert.ok(first !== undefined && first > 0);
    assert.equal(await values.put(key, { data: bytes(2) }, { revision: 0 }), undefined);
    assert.equal(await values.put(key, { data: bytes(2) }, { revision: first + 1 }), undefined);
    const second = await values.put(key, { data: bytes(2) }, { revision: first });
    assert.ok(second !== undefined);
    assert.equal(await values.put(key, { data: bytes(3) }, { revision: first }), undefined);
    assert.deepEqual(await values.get(key), { data: bytes(2), revision: second });
  });

  test("of puts with one revision at the same time one succeeds", async ({ engine: { values } }) => {
    const key = { channel: "chat:a", name: "k" };
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, i) => values.put(key, { data: bytes(i) }, { revision: 0 })),
    );
    assert.equal(results.filter((revision) => revision !== undefined).length, 1);
  });

  test("a deleted value is gone, and its revision is not used again", async ({ engine: { values } }) => {
    const key = { name: "k" };
    assert.equal(await values.delete(key), false);
    const first = await values.put(key, {});
    assert.equal(await values.delete(key, first! + 1), false);
    assert.equal(await values.delete(key, first), true);
    assert.equal(await values.get(key), undefined);
    assert.equal(await values.put(key, {}, { revision: first! }), undefined);
    assert.notEqual(await values.put(key, {}, { revision: 0 }), first);
    assert.equal(await values.delete(key), true);
  });

  if (capabilities.clock) {
    test("a value with a time to live goes when it is over, unless it is put again", async (b) => {
      const { values } = b.engine;
      const short = { name: "short" }, renewed = { channel: "chat:a", name: "renewed" };
      await values.put(short, {}, { ttl: 5_000 });
      await values.put(renewed, {}, { ttl: 5_000 });
      b.pass(4_000);
      assert.notEqual(await values.get(short), undefined);
      await values.put(renewed, {}, { ttl: 5_000 });
      b.pass(2_000);
      assert.equal(await values.get(short), undefined);
      assert.notEqual(await values.get(renewed), undefined);
      assert.ok(await values.put(short, {}, { revision: 0 }));
      b.pass(60_000);
      assert.notEqual(await values.get(short), undefined);
    });

    test("the values of a channel go when it is forgotten, those of none stay", async (b) => {
      await fill(b, "chat:a", 1, { size: 10, age: 1_000 });
      const keys = [{ channel: "chat:a", name: "k" }, { channel: "chat:silent", name: "k" }];
      for (const key of [...keys, { name: "k" }]) await b.engine.values.put(key, { data: bytes(1) });
      // Longer than any engine remembers a channel that nobody uses.
      for (let day = 0; day < 10; day++) b.pass(86_400_000);
      for (const key of keys) assert.equal(await b.engine.values.get(key), undefined);
      assert.notEqual(await b.engine.values.get({ name: "k" }), undefined);
    });
  }

  if (capabilities.peers) {
    test("instances see each other's values, and of two that change one at the same time one fails", async (b) => {
      const peer = await b.peer();
      const key = { name: "k" };
      const revision = await b.engine.values.put(key, { data: bytes(1) });
      assert.deepEqual(await peer.values.get(key), { data: bytes(1), revision });
      const results = await Promise.all(
        [b.engine, peer].map(({ values }) => values.put(key, { data: bytes(2) }, { revision: revision! })),
      );
      assert.equal(results.filter((each) => each !== undefined).length, 1);
    });
  }
}

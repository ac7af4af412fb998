/** Channels that leave the cache while a group of theirs is written. */

import assert from "node:assert/strict";
import type { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { fill, note, withDatabases } from "./sqlite_support.ts";

const RETENTION = { size: 1000, age: 3_600_000 };
/** Two channels with so large a message are more than half of a cache of this many bytes. */
const CACHE = 200_000, LARGE = 60_000;

const AGAIN: Record<string, (engine: SqliteEngine) => unknown> = {
  value: ({ values }) => values.put({ channel: "chat:a", name: "read ann" }, {}),
  growth: ({ log }) =>
    log.grow("chat:a", { target: 1, from: "ann", at: 0, content: "x", most: 1000, patience: 1000 }),
};

for (const [what, again] of Object.entries(AGAIN)) {
  Deno.test(`sqlite cache: a channel that left the cache within a group is not taken as it was before: ${what}`, () =>
    withDatabases(async (databases) => {
      const engine = await databases.open({ cache: CACHE });
      const large = ["chat:l1", "chat:l2"];
      for (const channel of large) await fill(engine, channel, 1, { bytes: LARGE });
      const publish = (id: string) =>
        engine.log.publish("chat:a", note(id, databases.now), { retention: RETENTION });
      // Each time that both large ones are looked for again, what was not asked for since leaves the cache.
      const push = () => large.map((channel) => engine.values.put({ channel, name: "read ann" }, {}));
      await Promise.all([publish("m1"), ...push(), ...push(), again(engine), publish("m2")]);
      assert.equal(engine.log.position("chat:a").offset, 2);
      const [next] = await fill(engine, "chat:a", 1);
      assert.equal(next!.offset, 3);
      assert.deepEqual(engine.log.read("chat:a").records.map(({ offset }) => offset), [1, 2, 3]);
      assert.deepEqual(databases.failures, []);
    }));
}

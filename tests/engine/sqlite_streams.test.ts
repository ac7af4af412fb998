/** Streamed messages in the SQLite engine: what they cost. */

import assert from "node:assert/strict";
import { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { DEFAULT_NAMESPACE, Hub } from "../../src/hub/mod.ts";
import { join } from "../hub/support.ts";

Deno.test("sqlite streams: pieces of many streams share few transactions", async () => {
  const directory = await Deno.makeTempDir();
  const commits: number[] = [];
  const engine = await SqliteEngine.open({
    path: `${directory}/skein.db`,
    measured: (count) => void commits.push(count),
  });
  try {
    const hub = new Hub({ engine, namespace: () => DEFAULT_NAMESPACE });
    const client = await join(hub, "s1", "ann");
    const channel = "chat:a";
    const streams = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        hub.publish({
          origin: "client",
          client,
          channel,
          id: `m${i}`,
          payload: { text: "", stream: "open" },
        })),
    );
    commits.length = 0;
    const from = "ann";
    const grown: Promise<number>[] = [];
    for (let at = 0; at < 50; at++) {
      for (const { offset: target } of streams) {
        grown.push(
          hub.append(channel, { target, at, content: "x", from, end: at === 49 ? "ended" : undefined }),
        );
      }
    }
    await Promise.all(grown);
    // 10,000 pieces: the first of each stream, and the rest of each stream as one, in groups.
    assert.ok(commits.length <= 20, `${commits.length} transactions`);
    const { records } = await engine.log.read(channel, { limit: 200 });
    assert.ok(records.every(({ payload }) => payload.text === "x".repeat(50) && payload.stream === "ended"));
  } finally {
    await engine.close();
    await Deno.remove(directory, { recursive: true });
  }
});

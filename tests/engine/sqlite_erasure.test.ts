/** What is erased is in no byte of the files. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { MaybePromise } from "../../src/engine/contract.ts";
import { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { keep } from "./conformance/blob_files.ts";
import { filesWith } from "../support/files_with.ts";

const CHANNELS = ["chat:a", "chat:b", "user:ann"] as const;
/** What ann says begins with this; nobody else says it. */
const SECRET = "only-ann-says-this";

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("say"), by: fc.constantFrom("ann", "bob") }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("edit"), by: fc.constantFrom("ann", "bob") }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("erase", "trim", "file"), by: fc.constant("ann") }),
  },
);
const steps = fc.array(
  fc.tuple(
    step,
    fc.constantFrom(...CHANNELS),
    fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 3000, max: 20_000 })),
  ),
  { minLength: 10, maxLength: 80, size: "max" },
);

/** Validates: after an erasure and `scrub` no file holds what the user said, and all that others said is there. */
Deno.test("Feature: quic-transport, Property 311: nothing of what was erased is left in the files of the database", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      const directory = await Deno.makeTempDir({ prefix: "skein-erasure-" });
      const engine = await SqliteEngine.open({ path: `${directory}/skein.db` });
      try {
        const offsets = new Map<string, number>();
        const retention = { size: 12, age: 1e9 };
        let n = 0;
        for (const [{ kind, by }, channel, length] of steps) {
          const text = `${by === "ann" ? SECRET : "bob"} ${n++} ${"x".repeat(length)}`;
          const message = { id: `m${n}`, from: by, timestamp: n };
          const target = offsets.get(`${channel} ${by}`);
          const publish = (type: string, payload: Record<string, unknown>, options = {}) =>
            engine.log.publish(channel, { ...message, type, payload }, { retention, ...options });
          let published: MaybePromise<{ offset: number }> | undefined;
          if (kind === "say") {
            offsets.set(`${channel} ${by}`, (await publish("chat_message", { text })).offset);
          } else if (kind === "edit" && target !== undefined) {
            const edit = { kind: "replace", target, content: { text } };
            published = publish("chat_edit", { target, text }, { edit });
          } else if (kind === "erase" && target !== undefined) {
            published = publish("chat_delete", { target }, { edit: { kind: "erase", target } });
          } else if (kind === "trim" && target !== undefined) await engine.log.trim(channel, target);
          else if (kind === "file") {
            await keep(engine, new TextEncoder().encode(text), `file${n}`, { name: SECRET });
          }
          await published;
        }
        const said = async () =>
          (await Promise.all(CHANNELS.slice(0, 2).map((channel) => engine.log.read(channel))))
            .flatMap(({ records }) =>
              records.filter(({ from, type }) => from === "bob" && type === "chat_message")
            )
            .map(({ payload }) => payload);
        const before = await said();
        for (const channel of CHANNELS) await engine.log.redact(channel, { from: "ann" });
        await engine.log.forget("user:ann");
        for (const { fileId } of await engine.blobs.list({ userId: "ann", limit: 100 })) {
          await engine.blobs.delete(fileId);
        }
        await engine.scrub();
        assert.deepEqual(await filesWith(directory, SECRET), []);
        // Only what ann edited of it is gone.
        assert.deepEqual(await said(), before);
      } finally {
        await engine.close();
        await Deno.remove(directory, { recursive: true });
      }
    }),
    { numRuns: 100 },
  );
});

/** A database that is written anew while it is in use. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import type { Clock } from "../../src/async/clock.ts";
import type { Engine } from "../../src/engine/contract.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { SqliteEngine } from "../../src/engine/sqlite/engine.ts";
import { settle } from "../support/clock.ts";
import { filesWith } from "../support/files_with.ts";
import { keep } from "./conformance/blob_files.ts";

const CHANNELS = ["chat:a", "chat:b", "doc:c"] as const;
/** What was erased before the database is written anew. */
const SECRET = "only-ann-says-this";
const RETENTION = { size: 40, age: 1e9 };

/**
 * A clock on which each look takes a whole slice, and slices that run when the test says so: how much is done between two of
 * them does not depend on how busy the machine is.
 */
class SteppedClock implements Clock {
  #now = 0;
  #waiting: (() => void)[] = [];

  now(): number {
    return this.#now += 10;
  }

  wall(): number {
    return Date.now();
  }

  after(_: number, fn: () => void): () => void {
    this.#waiting.push(fn);
    return () => void (this.#waiting = this.#waiting.filter((one) => one !== fn));
  }

  /** Waits until a slice is due, unless all are done, and lets it run. */
  async step(isDone: () => boolean = () => false): Promise<void> {
    while (this.#waiting.length === 0 && !isDone()) await settle();
    this.#waiting.shift()?.();
    await settle();
  }
}

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "skein-scrub-" });
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Names of all tables, indexes and triggers. */
function namesIn(path: string): string[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return db.prepare("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").all().map(({ name }) =>
      `${name}`
    );
  } finally {
    db.close();
  }
}

/** Whether a name is of something that exists only meanwhile. Indexes keep the name that they were made with. */
function isLeftover(name: string): boolean {
  return /_gone|filling|_anew_|^(?!channel|value).*_anew/.test(name);
}

type Op = { kind: "say" | "edit" | "erase" | "trim" | "put" | "drop" | "forget"; at: number; length: number };

const op: fc.Arbitrary<Op> = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant("say" as const) },
    { weight: 4, arbitrary: fc.constantFrom("edit" as const, "put" as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom("erase" as const, "trim" as const, "drop" as const, "forget" as const),
    },
  ),
  at: fc.nat(60),
  length: fc.oneof(fc.nat(300), fc.integer({ min: 3000, max: 20_000 })),
});

async function apply(
  { log, values }: Engine,
  { kind, at, length }: Op,
  n: number,
  words: string,
): Promise<void> {
  const channel = CHANNELS[at % CHANNELS.length]!;
  const text = `${words} ${n} ${"x".repeat(length)}`;
  const message = { id: `m${n}`, from: "bob", timestamp: n };
  const options = { retention: RETENTION, dedupeKey: `k${n - at % 3}` };
  const isKept = (await log.get(channel, at)).record?.type === "chat_message";
  switch (isKept || !["edit", "erase"].includes(kind) ? kind : "say") {
    case "say":
      return void await log.publish(
        channel,
        { ...message, type: "chat_message", payload: { text } },
        options,
      );
    case "edit": {
      const edit = { kind: "replace", target: at, content: { text } } as const;
      const payload = { target: at, text };
      return void await log.publish(channel, { ...message, type: "chat_edit", payload }, {
        ...options,
        edit,
      });
    }
    case "erase": {
      const edit = { kind: "erase", target: at } as const;
      const payload = { target: at };
      return void await log.publish(channel, { ...message, type: "chat_delete", payload }, {
        ...options,
        edit,
      });
    }
    case "trim":
      return void await log.trim(channel, at);
    case "put":
      return void await values.put({ channel, name: `v${at % 7}` }, { data: new TextEncoder().encode(text) });
    case "drop":
      return void await values.delete({ channel, name: `v${at % 7}` });
    case "forget":
      return void await log.forget(CHANNELS[1]);
  }
}

/** All that an engine keeps, without what differs from one to another. */
async function kept({ log, values }: Engine): Promise<unknown> {
  const channels = [];
  for (const channel of await log.list()) {
    const { records, offset } = await log.read(channel);
    const named = [];
    for (let n = 0; n < 7; n++) {
      const value = await values.get({ channel, name: `v${n}` });
      named.push(value?.data === undefined ? null : new TextDecoder().decode(value.data));
    }
    channels.push({ channel, offset, records, named });
  }
  return channels;
}

/** Validates: what is done while a database is written anew is kept as it would be otherwise, and what was erased before is gone. */
Deno.test("Feature: quic-transport, Property 324: a database that is written anew in slices keeps what is written meanwhile", async () => {
  let turns = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(op, { maxLength: 40, size: "max" }),
      fc.array(op, { minLength: 1, maxLength: 60, size: "max" }),
      (before, during) =>
        withDirectory(async (directory) => {
          const path = `${directory}/skein.db`;
          const model = new MemoryEngine();
          const clock = new SteppedClock();
          let engine = await SqliteEngine.open({ path, clock });
          try {
            await keep(engine, new TextEncoder().encode(SECRET), "file", { name: SECRET });
            for (const [n, one] of before.entries()) {
              for (const each of [engine, model]) await apply(each, one, n, SECRET);
            }
            for (const each of [engine, model]) {
              for (const channel of CHANNELS) {
                await each.log.redact(channel, { from: "bob" });
                for (let n = 0; n < 7; n++) await each.values.delete({ channel, name: `v${n}` });
              }
            }
            for (const { fileId } of await engine.blobs.list({ limit: 100 })) {
              await engine.blobs.delete(fileId);
            }
            let isDone = false;
            const scrubbed = engine.scrub().finally(() => isDone = true);
            for (const [n, one] of during.entries()) {
              for (const each of [engine, model]) await apply(each, one, 1000 + n, "meanwhile");
              if (!isDone) turns++;
              await clock.step(() => isDone);
            }
            while (!isDone) await clock.step(() => isDone);
            await scrubbed;
            assert.deepEqual(await filesWith(directory, SECRET), []);
            assert.deepEqual(await kept(engine), await kept(model));
            await engine.close();
            assert.deepEqual(namesIn(path).filter(isLeftover), []);
            engine = await SqliteEngine.open({ path });
            assert.deepEqual(await kept(engine), await kept(model));
          } finally {
            await engine.close();
          }
        }),
    ),
    { numRuns: 100 },
  );
  assert.ok(turns > 500, `only ${turns} were done meanwhile`);
});

Deno.test("sqlite scrub: others publish while a database of many slices is written anew", () =>
  withDirectory(async (directory) => {
    const clock = new SteppedClock();
    const engine = await SqliteEngine.open({ path: `${directory}/skein.db`, clock });
    const publish = (id: string, text: string) => {
      const record = { type: "chat_message", id, from: "ann", timestamp: 1, payload: { text } };
      return engine.log.publish("chat:a", record, { retention: { size: 1e6, age: 1e15 }, dedupeKey: id });
    };
    try {
      const text = "x".repeat(2000);
      await Promise.all(Array.from({ length: 5000 }, (_, n) => publish(`m${n}`, text)));
      let isDone = false, count = 0;
      const scrubbed = engine.scrub().finally(() => isDone = true);
      while (!isDone) {
        assert.ok(count < 20_000, "it ends although others go on writing");
        await publish(`more${count++}`, text);
        await clock.step(() => isDone);
      }
      await scrubbed;
      assert.ok(count > 10, `${count} were published meanwhile`);
      assert.equal((await engine.log.position("chat:a")).offset, 5000 + count);
      // Keys of before and of meanwhile are known.
      assert.equal((await publish("m4999", text)).offset, 5000);
      assert.equal((await publish("more0", text)).offset, 5001);
    } finally {
      await engine.close();
    }
  }));

Deno.test("sqlite scrub: it ends although others free as many pages meanwhile as a slice fills", () =>
  withDirectory(async (directory) => {
    const clock = new SteppedClock();
    const engine = await SqliteEngine.open({ path: `${directory}/skein.db`, clock });
    // The new one is there before the old one goes: its pages are free then.
    let made = 0;
    const replace = async () => {
      await engine.values.put({ name: `v${made}` }, { data: new Uint8Array(1024 * 1024) });
      await engine.values.delete({ name: `v${made++ - 1}` });
    };
    try {
      for (let n = 0; n < 2; n++) await replace();
      let isDone = false, count = 0;
      const scrubbed = engine.scrub().finally(() => isDone = true);
      while (!isDone) {
        assert.ok(count++ < 200, "it ends although others go on writing");
        await replace();
        await clock.step(() => isDone);
      }
      await scrubbed;
    } finally {
      await engine.close();
    }
  }));

Deno.test("sqlite scrub: what one that was cut short has left is removed at the next start", () =>
  withDirectory(async (directory) => {
    const path = `${directory}/skein.db`;
    const record = { type: "chat_message", id: "m", from: "ann", timestamp: 1, payload: { text: "stays" } };
    const clock = new SteppedClock();
    let engine = await SqliteEngine.open({ path, clock });
    await engine.log.publish("chat:a", record, { retention: RETENTION });
    const cut = assert.rejects(engine.scrub(), { error: "not_available" });
    // Some table is being copied by then.
    for (let turn = 0; !namesIn(path).some((name) => name.endsWith("_anew_insert")); turn++) {
      assert.ok(turn < 1000);
      await clock.step();
    }
    await engine.close();
    await cut;
    assert.ok(namesIn(path).some((name) => name.endsWith("_anew_insert")));
    engine = await SqliteEngine.open({ path });
    try {
      assert.deepEqual(namesIn(path).filter(isLeftover), []);
      await engine.scrub();
      const { records } = await engine.log.read("chat:a");
      assert.deepEqual(records.map(({ payload }) => payload), [record.payload]);
    } finally {
      await engine.close();
    }
  }));

for (
  const [how, maxSize] of [["in slices", 0], ["at once, where a copy has no room", 24 * 1024 * 1024]] as const
) {
  Deno.test(`sqlite scrub: many channels, whose keys are larger than numbers are exact, are written anew ${how}`, () =>
    withDirectory(async (directory) => {
      const engine = await SqliteEngine.open({ path: `${directory}/skein.db`, maxSize });
      const say = (n: number, from: string) => {
        const text = `${from === "ann" ? SECRET : "bob says"} ${n} ${"x".repeat(1500)}`;
        const record = { type: "chat_message", id: `m${n}`, from, timestamp: 1, payload: { text } };
        return engine.log.publish(`chat:${n}`, record, { retention: RETENTION });
      };
      try {
        const last = 8300;
        await Promise.all(Array.from({ length: last + 1 }, (_, n) => say(n, n === last ? "ann" : "bob")));
        await engine.log.redact(`chat:${last}`, { from: "ann" });
        await engine.scrub();
        assert.deepEqual(await filesWith(directory, SECRET), []);
        const { records } = await engine.log.read(`chat:${last - 1}`);
        assert.match(String(records[0]!.payload.text), /^bob says 8299 /);
      } finally {
        await engine.close();
      }
    }));
}

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { run } from "../../src/service/cli/mod.ts";
import { defaultConfig } from "../support/config.ts";
import { checkDatabase } from "../../src/service/doctor/database.ts";
import type { TestClient } from "../support/client.ts";
import { startTestService } from "../support/service.ts";
import { withDatabases } from "./sqlite_support.ts";

async function ready(url: string): Promise<number> {
  const answer = await fetch(`${url}/readyz`);
  await answer.body?.cancel();
  return answer.status;
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!await holds()) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The clock of this process, which goes on by itself and can be put forward, until it is disposed of. */
function leapingClock(): Disposable & { leap(ms: number): void } {
  const real = Date.now;
  let ahead = 0;
  Date.now = () => real() + ahead;
  return {
    leap: (ms) => void (ahead += ms),
    [Symbol.dispose]: () => void (Date.now = real),
  };
}

/** Runs a command line; what it wrote. */
async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "", err = "";
  const io = {
    env: {},
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    input: () => Promise.resolve(""),
  };
  return { code: await run(args, io), out, err };
}

Deno.test("engine in the service: a service that was restarted goes on where it was: history, offsets, epoch, known ids", () =>
  withDatabases(async (databases) => {
    const engine = { kind: "sqlite" as const, sqlite: { path: databases.path() } };
    const text = { channel: "chat:a", text: "before" };
    const first = await startTestService({ engine });
    let acknowledged: Record<string, unknown>;
    try {
      await using ann = await first.connect("websocket", "ann");
      acknowledged = (await ann.ask("chat_message", text, { id: "m1" })).payload;
    } finally {
      await first.stop();
    }
    const second = await startTestService({ engine });
    try {
      await using ann = await second.connect("quic", "ann");
      const again = await ann.ask("chat_message", text, { id: "m1" });
      assert.deepEqual(again.payload, { ...acknowledged, duplicate: true });
      const since = { epoch: acknowledged.epoch, offset: 0 };
      const subscribed = await ann.ask("subscribe", { channel: "chat:a", since });
      assert.equal(subscribed.payload.recovered, true);
      const missed = await ann.next("chat_message");
      assert.deepEqual([missed.id, missed.payload.offset], ["m1", 1]);
      const next = await ann.ask("chat_message", { channel: "chat:a", text: "after" });
      assert.equal(next.payload.offset, 2);
    } finally {
      await second.stop();
    }
  }));

Deno.test("engine in the service: a database without room answers publishers not_available and /readyz 503, until old messages have made room", () =>
  withDatabases(async (databases) => {
    using clock = leapingClock();
    const service = await startTestService({
      engine: { kind: "sqlite", sqlite: { path: databases.path(), maxSize: "1MiB" } },
      namespaces: { default: { historySize: 100_000, historyAge: "1h" } },
    });
    const publish = async (client: TestClient) => {
      const id = await client.send("chat_message", { channel: "chat:a", text: "x".repeat(30_000) });
      return await client.next(({ re }) => re === id);
    };
    try {
      let last = 0;
      {
        await using ann = await service.connect("websocket", "ann");
        for (;;) {
          const { type, payload } = await publish(ann);
          if (type !== "message_ack") {
            assert.deepEqual([type, payload.name, payload.temporary], ["error", "not_available", true]);
            break;
          }
          last = payload.offset as number;
          assert.ok(last < 1000, "the database never gets full");
        }
      }
      assert.ok(service.lines.some(({ event }) => event === "engine failure"), "it is logged");
      assert.equal(await ready(service.url), 503);
      clock.leap(2 * 3_600_000);
      await until(async () => await ready(service.url) === 200, "/readyz says that it works again");
      // Another connection: time that leaps is silence to one that is open.
      await using ann = await service.connect("websocket", "ann");
      const answer = await publish(ann);
      assert.deepEqual([answer.type, answer.payload.offset], ["message_ack", last + 1]);
    } finally {
      await service.stop();
    }
  }));

Deno.test("engine in the service: /readyz says 503 while the database cannot be written, and 200 afterwards", () =>
  withDatabases(async (databases) => {
    const service = await startTestService({
      engine: { kind: "sqlite", sqlite: { path: databases.path() } },
    });
    try {
      await using ann = await service.connect("websocket", "ann");
      assert.equal(await ready(service.url), 200);
      const other = new DatabaseSync(databases.path());
      try {
        other.exec("BEGIN IMMEDIATE");
        await assert.rejects(ann.ask("chat_message", { channel: "chat:a", text: "hello" }));
        assert.equal(await ready(service.url), 503);
      } finally {
        other.close();
      }
      await until(async () => await ready(service.url) === 200, "/readyz says that it works again");
      assert.equal((await ann.ask("chat_message", { channel: "chat:a", text: "hello" })).payload.offset, 1);
    } finally {
      await service.stop();
    }
  }));

Deno.test("engine in the service: skein backup copies the database of a running service, and says why when it cannot", () =>
  withDatabases(async (databases) => {
    const path = databases.path(), copy = databases.path("copy.db");
    const service = await startTestService({ engine: { kind: "sqlite", sqlite: { path } } });
    try {
      await using ann = await service.connect("websocket", "ann");
      await ann.ask("chat_message", { channel: "chat:a", text: "hello" });
      const made = await cli("backup", copy, "--engine.sqlite.path", path);
      assert.deepEqual([made.code, made.err], [0, ""]);
      assert.match(made.out, /^ok: /);
      const again = await cli("backup", copy, "--engine.sqlite.path", path);
      assert.deepEqual([again.code, again.err], [1, `${copy}: exists already\n`]);
      assert.equal((await cli("backup", databases.path("b.db"), "--engine.kind", "memory")).code, 1);
      assert.equal((await cli("backup")).code, 2);
    } finally {
      await service.stop();
    }
    assert.equal((await databases.open({ path: copy })).log.position("chat:a").offset, 1);
  }));

Deno.test("engine in the service: the doctor says whether the database is there, whole and private", () =>
  withDatabases(async (databases) => {
    const defaults = defaultConfig().engine;
    const look = (over = {}) =>
      checkDatabase({ ...defaults, sqlite: { ...defaults.sqlite, path: databases.path() }, ...over });
    assert.equal((await look({ kind: "memory" })).status, "ok");
    assert.match((await look()).message, /^The first start makes/);
    const engine = await databases.open();
    await Promise.all(Array.from({ length: 1000 }, (_, i) =>
      engine.log.publish("chat:a", {
        type: "chat_message",
        id: `m${i}`,
        from: "ann",
        timestamp: databases.now,
        payload: { text: "x".repeat(1000) },
      }, { retention: { size: 10_000, age: 3_600_000 } })));
    assert.match((await look()).message, /1 channels, whole\.$/);
    await Deno.chmod(databases.path(), 0o644);
    assert.equal((await look()).status, "warn");
    await Deno.chmod(databases.path(), 0o600);
    engine.close();
    const file = Deno.openSync(databases.path(), { write: true });
    file.seekSync(4096 * 100, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(4096 * 20).fill(0x55));
    file.close();
    const damaged = await look();
    assert.equal(damaged.status, "fail");
    assert.match(damaged.message, /damaged/);
    await Deno.writeTextFile(databases.path(), "no database");
    assert.equal((await look()).status, "fail");
  }));

/** Versions, queues, isolates that come and go. */

import assert from "node:assert/strict";
import { readSource, Slots } from "../../src/functions/mod.ts";
import { source, testFunction } from "./support.ts";
import { functionService } from "./service_support.ts";

Deno.test("functions: calls in flight end on their version, and none is lost while versions change under load", async () => {
  const version = (n: number) =>
    source(`await new Promise((done) => setTimeout(done, event.args)); return ${n};`);
  const fn = await testFunction({ "main.ts": version(0) }, { limits: { concurrency: 32 } });
  try {
    await fn.load();
    const slow = fn.command("slow", 1000);
    let done = false;
    const answers: unknown[] = [];
    const load = async () => {
      while (!done) answers.push((await fn.command("fast", 1)).value);
    };
    const clients = Array.from({ length: 8 }, load);
    for (let n = 1; n <= 5; n++) {
      await fn.load({ "main.ts": version(n) });
      const before = answers.length;
      while (answers.length < before + 20) await fn.command("fast", 1);
      assert.equal((await fn.command("now", 0)).value, n);
    }
    done = true;
    await Promise.all(clients);
    assert.equal((await slow).value, 0);
    assert.ok(answers.every((answer) => typeof answer === "number"));
    assert.deepEqual([...new Set(answers)].sort(), [0, 1, 2, 3, 4, 5].filter((n) => answers.includes(n)));
    assert.equal(fn.deployed.status.active, 0);
  } finally {
    await fn.close();
    assert.equal(fn.slots.taken, 0);
  }
});

Deno.test("functions: a version that does not load leaves the one before it", async () => {
  const fn = await testFunction({ "main.ts": source("return 'old';") });
  const bad: readonly (readonly [string, RegExp])[] = [
    ["const = 1;", /^main\.ts:1:7: /],
    ["throw new Error('not today');", /^main\.ts:1:7: not today$/],
    ["export default {};", /has no handler/],
    ["export const handler = 1;", /has no handler/],
    [source("", "", "on: { message: { channels: [7] } },"), /^main\.ts: on\.message/],
    [source("", "", "on: { schedule: { a: { cron: '61 * * * *' } } },"), /^main\.ts: on\.schedule\.a/],
    [source("", "", "on: { nonsense: true },"), /^main\.ts: on\.nonsense/],
    ["import { absent } from './skein.ts'; export default absent;", /absent/],
  ];
  try {
    await fn.load();
    for (const [text, said] of bad) {
      await assert.rejects(fn.load({ "main.ts": text }), (error: Error) => {
        assert.match(error.message, said);
        return true;
      });
      assert.equal((await fn.command("")).value, "old");
      assert.equal(fn.deployed.status.isolates, 1);
    }
  } finally {
    await fn.close();
  }
});

Deno.test("functions: a version that does not come to the end of its loading leaves the one before it", async () => {
  const limits = { startTimeout: 30_000 };
  const fn = await testFunction({ "main.ts": source("return 'old';") }, {
    limits: {
      get startTimeout() {
        return limits.startTimeout;
      },
    },
  });
  try {
    await fn.load();
    limits.startTimeout = 1000;
    for (const wait of ["await new Promise(() => setInterval(() => {}, 10));", "for (;;);"]) {
      const text = `${wait} export default { handler() {} };`;
      await assert.rejects(
        fn.load({ "main.ts": text }),
        /^FunctionError: main\.ts: not loaded within 1000 ms$/,
      );
      assert.equal((await fn.command("")).value, "old");
    }
  } finally {
    await fn.close();
  }
});

Deno.test("functions: more calls than may run wait, and more than may wait are refused", async () => {
  const fn = await testFunction({
    "main.ts": source(
      "now++; most = Math.max(most, now); await new Promise((done) => setTimeout(done, 20)); now--; return most;",
      "let now = 0, most = 0;",
    ),
  }, { limits: { concurrency: 2, queue: 3 } });
  try {
    await fn.load();
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => fn.command("")));
    const refused = all.filter(({ status }) => status === "rejected");
    assert.equal(refused.length, 3);
    assert.ok(refused.every((one) => (one as PromiseRejectedResult).reason.kind === "busy"));
    assert.equal((await fn.command("")).value, 2);
  } finally {
    await fn.close();
  }
});

Deno.test("functions: a call waits for its turn no longer than it may take", async () => {
  const fn = await testFunction({
    "main.ts": source("await new Promise((done) => setTimeout(done, event.args)); return 'done';"),
  }, { limits: { concurrency: 1 } });
  try {
    await fn.load();
    const long = fn.command("", 3000);
    assert.equal((await fn.failure("", 0, { timeout: 100 })).kind, "timeout");
    assert.equal((await long).value, "done");
  } finally {
    await fn.close();
  }
});

Deno.test("functions: the isolate that was idle for longest makes room for another", async () => {
  const slots = new Slots(() => 2);
  const made = await Promise.all(
    ["a", "b", "c"].map((name) => testFunction({ "main.ts": source(`return "${name}";`) }, { slots })),
  );
  const alive = () => made.map(({ deployed }) => deployed.status.isolates);
  try {
    for (const fn of made) await fn.load();
    assert.deepEqual(alive(), [0, 1, 1]);
    assert.equal((await made[0]!.command("")).value, "a");
    assert.deepEqual(alive(), [1, 0, 1]);
    // All at once: each gets its turn.
    const answers = await Promise.all(made.flatMap((fn) => [fn.command(""), fn.command("")]));
    assert.deepEqual(answers.map(({ value }) => value), ["a", "a", "b", "b", "c", "c"]);
    assert.ok(slots.taken <= 2);
  } finally {
    for (const fn of made) await fn.close();
    assert.equal(slots.taken, 0);
  }
});

Deno.test("functions: a version that was loaded before is started when it is called", async () => {
  const directory = await Deno.makeTempDir();
  const fn = await testFunction({ "main.ts": source("return 1;") });
  try {
    await Deno.writeTextFile(
      `${directory}/main.ts`,
      source("return 2;", "", "description: 'A test.', commands: { one: {} },"),
    );
    const read = await readSource(directory, "main.ts");
    const said = await fn.deployed.load(read, {});
    await fn.load({ "main.ts": source("return 3;") });
    assert.equal((await fn.command("")).value, 3);
    await fn.deployed.load(read, {}, JSON.parse(JSON.stringify(said)));
    assert.deepEqual(fn.deployed.manifest?.commands.map(({ name }) => name), ["one"]);
    assert.equal(fn.deployed.status.memory, 0);
    assert.equal((await fn.command("")).value, 2);
    await assert.rejects(fn.deployed.load(read, {}, { commands: 7 }), /^FunctionError: main\.ts: commands/);
    assert.equal((await fn.command("")).value, 2);
  } finally {
    await fn.close();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("functions: an idle isolate is stopped, and started again when it is called", async () => {
  const fn = await testFunction({ "main.ts": source("return ++count;", "let count = 0;") });
  try {
    await fn.load();
    assert.equal((await fn.command("")).value, 1);
    fn.deployed.sweep(performance.now());
    assert.equal((await fn.command("")).value, 2);
    fn.deployed.sweep(performance.now() + 61_000);
    assert.equal((await fn.command("")).value, 1);
  } finally {
    await fn.close();
  }
});

Deno.test("functions: one whose isolate dies again and again rests before it is started anew", async () => {
  const fn = await testFunction({
    "main.ts": source(
      "if (event.command === 'ok') return 'ok'; const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1));",
    ),
  }, { limits: { memory: 100 * 1024 ** 2 } });
  try {
    await fn.load();
    for (let n = 0; n < 3; n++) assert.equal((await fn.failure("bad")).kind, "memory");
    const error = await fn.failure("ok");
    assert.match(error.message, /died 3 times and starts again in \d+ ms/);
    for (;;) {
      const value = await fn.command("ok").then(({ value }) => value, () => undefined);
      if (value === "ok") break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    await fn.close();
  }
});

Deno.test("functions: files that come, change and go are followed in a running service", async () => {
  const rpc = (value: string, method: string) =>
    source(`return ${JSON.stringify(value)};`, "", `on: { rpc: { methods: ["${method}"] } },`);
  const service = await functionService({ "one.ts": rpc("1", "one") });
  try {
    await using ann = await service.connect("websocket", "ann");
    const ask = async (method: string) => {
      const { type, payload } = await ann.request("rpc", { method });
      return type === "error" ? payload.code : payload.data;
    };
    assert.equal(await ask("one"), "1");
    await service.write({ "two.ts": rpc("2", "two") });
    await service.loaded("two");
    assert.equal(await ask("two"), "2");
    await service.write({ "one.ts": "const = 1;" });
    const line = await service.line(({ function: name, reason }) => name === "one" && reason !== undefined);
    assert.match(String(line.reason), /^one\.ts:1:7: /);
    assert.equal(await ask("one"), "1");
    const { functions } = await service.stats();
    assert.match(functions.problems.one, /^one\.ts:1:7: /);
    await Deno.remove(`${service.directory}/one.ts`);
    await service.line(({ function: name, msg, event }) =>
      name === "one" && [msg, event].includes("function removed")
    );
    assert.equal(typeof await ask("one"), "number");
    assert.equal(await ask("two"), "2");
  } finally {
    await service.stop();
  }
});

Deno.test("functions: a service that is stopped while they load stops at once, and leaves no process", async () => {
  const endless = "await new Promise(() => setInterval(() => {}, 10)); export default { handler() {} };";
  const files = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`f${n}.ts`, endless]));
  const service = await functionService(files);
  // None has come: the service did not wait for all of them.
  assert.deepEqual((await service.stats()).functions.functions, {});
  await service.stop();
  const children = await Deno.readTextFile(`/proc/${Deno.pid}/task/${Deno.pid}/children`);
  assert.equal(children.trim(), "");
});

Deno.test("functions: another folder, and none, are taken without a restart", async () => {
  const rpc = source("return event.method;", "", 'on: { rpc: { methods: ["*"] } },');
  const service = await functionService({ "one.ts": rpc });
  const other = await Deno.makeTempDir();
  try {
    await using ann = await service.connect("websocket", "ann");
    const ask = async () => (await ann.request("rpc", { method: "any" })).type;
    assert.equal(await ask(), "rpc_response");
    await service.reconfigure({ functions: { directory: other } });
    assert.equal(await ask(), "error");
    await service.reconfigure({ functions: { directory: service.directory } });
    assert.equal(await ask(), "rpc_response");
    await service.reconfigure({ functions: { directory: null } });
    assert.equal(await ask(), "error");
    assert.equal((await service.stats()).functions, null);
  } finally {
    await service.stop();
    await Deno.remove(other, { recursive: true });
  }
});

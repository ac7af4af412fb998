/** What functions do wrong, in real isolates: the caller gets an error, and the next call is answered. */

import assert from "node:assert/strict";
import { source, testFunction } from "./support.ts";

/** Each command does one bad thing. */
const BAD = source(
  `
    if (event.command === "ok") return "ok";
    if (event.command === "throw") boom();
    if (event.command === "throw nothing") throw undefined;
    if (event.command === "loop") for (;;);
    if (event.command === "sleep") await new Promise(() => setInterval(() => {}, 10));
    if (event.command === "allocate") { const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1)); }
    if (event.command === "heap") { const all: unknown[] = []; for (;;) all.push({ at: all.length, more: [1, 2, 3] }); }
    if (event.command === "circular") { const a: any = {}; a.a = a; return a; }
    if (event.command === "bigint") return 1n as any;
    if (event.command === "function") return { f() {} } as any;
    if (event.command === "stray") { setTimeout(() => boom(), 0); await new Promise((r) => setTimeout(r, 50)); return "stray"; }
    if (event.command === "stray promise") { void (async () => boom())(); await 0; return "stray promise"; }`,
  `function boom(): never {
  throw new RangeError("boom");
}`,
);

Deno.test("functions: what a handler throws is told with file and line of the source", async () => {
  const fn = await testFunction({ "main.ts": BAD });
  try {
    await fn.load();
    const error = await fn.failure("throw");
    assert.equal(error.kind, "threw");
    assert.equal(error.message, "main.ts:3:9: RangeError: boom");
    assert.equal(error.report?.at, "main.ts:3:9");
    assert.match(error.report?.stack ?? "", /boom \(main\.ts:3:9\)/);
    assert.equal((await fn.failure("throw nothing")).kind, "threw");
    assert.equal((await fn.command("ok")).value, "ok");
  } finally {
    await fn.close();
  }
});

Deno.test("functions: an error in an imported file is told with that file's name", async () => {
  const fn = await testFunction({
    "main.ts": source("return fail(event.command);", 'import { fail } from "./lib/deep/fail.ts";'),
    "lib/deep/fail.ts": 'import words from "../words.json" with { type: "json" };\n' +
      "type T = string;\nexport function fail(t: T): T {\n  throw new Error(words[0] + t);\n}\n",
    "lib/words.json": '["not "]',
  });
  try {
    await fn.load();
    assert.equal((await fn.failure("today")).message, "lib/deep/fail.ts:4:9: not today");
  } finally {
    await fn.close();
  }
});

Deno.test("functions: one that loops for ever is ended at its limit, and the next call is answered", async () => {
  const fn = await testFunction({ "main.ts": BAD });
  try {
    await fn.load();
    const error = await fn.failure("loop", null, { timeout: 500 });
    assert.equal(error.kind, "timeout");
    assert.match(error.message, /^main\.ts: no answer within \d+ ms$/);
    assert.equal((await fn.command("ok", null)).value, "ok");
  } finally {
    await fn.close();
  }
});

Deno.test("functions: one that sleeps with open handles is ended, and its isolate with it", async () => {
  const fn = await testFunction({ "main.ts": BAD });
  try {
    await fn.load();
    assert.equal((await fn.failure("sleep", null, { timeout: 500 })).kind, "timeout");
    assert.equal((await fn.command("ok")).value, "ok");
    assert.equal(fn.deployed.status.isolates, 1);
  } finally {
    await fn.close();
    assert.equal(fn.slots.taken, 0);
  }
});

for (const command of ["allocate", "heap"]) {
  Deno.test(`functions: memory without end is ended (${command}), and the next call is answered`, async () => {
    const fn = await testFunction({ "main.ts": BAD }, { limits: { memory: 128 * 1024 ** 2 } });
    try {
      await fn.load();
      assert.equal((await fn.failure(command)).kind, "memory");
      assert.equal((await fn.command("ok")).value, "ok");
    } finally {
      await fn.close();
    }
  });
}

Deno.test("functions: a result that is no JSON is an error of the function", async () => {
  const fn = await testFunction({ "main.ts": BAD });
  try {
    await fn.load();
    for (const command of ["circular", "bigint"]) assert.equal((await fn.failure(command)).kind, "threw");
    assert.deepEqual((await fn.command("function")).value, {});
  } finally {
    await fn.close();
  }
});

Deno.test("functions: what is thrown outside of a call is in the log and ends nothing", async () => {
  const fn = await testFunction({ "main.ts": BAD });
  try {
    await fn.load();
    assert.equal((await fn.command("stray")).value, "stray");
    assert.equal((await fn.command("stray promise")).value, "stray promise");
    // What was thrown last is told after the answer of its call, and before that of the next.
    await fn.command("ok");
    const stray = fn.lines.map(({ level, text }) => `${level} ${text}`);
    assert.deepEqual(stray, Array(2).fill("error not caught: main.ts:3:9: RangeError: boom"));
  } finally {
    await fn.close();
  }
});

Deno.test("functions: lines and errors without end are dropped before they leave the isolate", async () => {
  const noisy = await testFunction({
    "main.ts": source(`for (let n = 0; n < 5_000; n++) {
      console.log("line");
      void Promise.reject(new Error("stray"));
    }`),
  });
  try {
    await noisy.load();
    await noisy.command("go");
    const dropped = () => noisy.lines.reduce((sum, line) => sum + (line.dropped ?? 0), 0);
    const said = () => noisy.lines.filter(({ text }) => !/^\d+ lines? \S+ dropped$/.test(text)).length;
    while (dropped() + said() < 10_000) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(dropped() + said(), 10_000);
    assert.ok(said() >= 200 && said() < 2_000, `${said()}`);
  } finally {
    await noisy.close();
  }
});

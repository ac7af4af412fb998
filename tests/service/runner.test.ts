import assert from "node:assert/strict";
import fc from "fast-check";
import { type Config } from "../../src/service/config/mod.ts";
import { defaultConfig } from "../support/config.ts";
import type { ConfigKey, Module } from "../../src/service/module.ts";
import { ModuleRunner, type RunnerOptions } from "../../src/service/runner.ts";

interface Logged {
  readonly event: string;
  readonly module: unknown;
  readonly error: unknown;
}

/** Modules that write down what is called, and a runner over them. `fails` holds calls that reject, as they are written down. */
function make(
  names: readonly string[],
  fails: readonly string[] = [],
  more: Readonly<Record<string, Partial<Module>>> = {},
  options: Partial<RunnerOptions> = {},
) {
  const calls: string[] = [];
  const logged: Logged[] = [];
  const note = (call: string) => {
    calls.push(call);
    if (fails.includes(call)) throw new Error(call);
  };
  const modules = names.map((name): Module => ({
    name,
    keys: [name as ConfigKey],
    start: () => Promise.resolve().then(() => note(`start ${name}`)),
    apply: (next) => Promise.resolve().then(() => note(`apply ${name} ${next.node}`)),
    sweep: (now) => note(`sweep ${name} ${now}`),
    drain: () => Promise.resolve().then(() => note(`drain ${name}`)),
    close: () => Promise.resolve().then(() => note(`close ${name}`)),
    status: () => ({ [name]: true, all: { [name]: names.indexOf(name) } }),
    ...more[name],
  }));
  const runner = new ModuleRunner(modules, {
    log: {
      error: (event, fields) => logged.push({ event, module: fields?.["module"], error: fields?.["error"] }),
    },
    sweepInterval: 3_600_000,
    ...options,
  });
  return { runner, calls, logged };
}

const OLD: Config = { ...defaultConfig(), node: "old" };
const NEW: Config = { ...defaultConfig(), node: "new" };
const THREE = ["http", "quic", "auth"];

async function started(...given: Parameters<typeof make>) {
  const made = make(...given);
  await made.runner.start(OLD);
  made.calls.length = 0;
  return { ...made, [Symbol.asyncDispose]: () => made.runner.close() };
}

Deno.test("modules: start in the order of the list and close in reverse order", async () => {
  const { runner, calls } = make(THREE);
  await runner.start(OLD);
  await runner.drain(0);
  await runner.close();
  assert.deepEqual(calls, [
    "start http",
    "start quic",
    "start auth",
    "drain auth",
    "drain quic",
    "drain http",
    "close auth",
    "close quic",
    "close http",
  ]);
});

Deno.test("modules: a start that fails closes what was reached, in reverse order", async () => {
  const { runner, calls } = make(THREE, ["start quic"]);
  await assert.rejects(runner.start(OLD), /^Error: start quic$/);
  assert.deepEqual(calls, ["start http", "start quic", "close quic", "close http"]);
});

Deno.test("modules: a close that fails after a failed start does not hide why the start failed", async () => {
  const { runner, calls, logged } = make(THREE, ["start auth", "close quic"]);
  await assert.rejects(runner.start(OLD), /^Error: start auth$/);
  assert.deepEqual(calls.slice(3), ["close auth", "close quic", "close http"]);
  assert.deepEqual(logged.map(({ module }) => module), ["quic"]);
});

Deno.test("modules: apply reaches those whose keys changed, and those that ask for every reload", async () => {
  await using made = await started(THREE, [], { auth: { everyReload: true } });
  const { runner, calls } = made;
  await runner.apply(NEW, OLD, ["quic.port", "quicker"]);
  assert.deepEqual(calls.splice(0), ["apply quic new", "apply auth new"]);
  await runner.apply(NEW, OLD, []);
  assert.deepEqual(calls.splice(0), ["apply auth new"]);
  await runner.apply(NEW, OLD, ["http", "auth.keys"]);
  assert.deepEqual(calls, ["apply http new", "apply auth new"]);
});

Deno.test("modules: a group that changed as a whole reaches a module with a key inside it", async () => {
  await using made = await started(THREE, [], { http: { keys: ["http.tls.cert"] } });
  const { runner, calls } = made;
  await runner.apply(NEW, OLD, ["http.tls"]);
  await runner.apply(NEW, OLD, ["http.tls.key"]);
  assert.deepEqual(calls, ["apply http new"]);
});

Deno.test("modules: a failed apply takes back in reverse order what had been applied", async () => {
  await using made = await started(THREE, ["apply auth new"]);
  const { runner, calls } = made;
  await assert.rejects(runner.apply(NEW, OLD, THREE), /^Error: auth: apply auth new$/);
  assert.deepEqual(calls, [
    "apply http new",
    "apply quic new",
    "apply auth new",
    "apply quic old",
    "apply http old",
  ]);
});

Deno.test("modules: a module that cannot go back is logged and the others still go back", async () => {
  await using made = await started(THREE, ["apply auth new", "apply quic old"]);
  const { runner, calls, logged } = made;
  await assert.rejects(runner.apply(NEW, OLD, THREE), /apply auth new/);
  assert.deepEqual(calls.slice(3), ["apply quic old", "apply http old"]);
  assert.equal(logged.length, 1);
  assert.equal(logged[0]!.module, "quic");
  assert.match(logged[0]!.event, /could not go back/);
});

Deno.test("modules: an apply that hangs counts as failed and is taken back too", async () => {
  const calls: string[] = [];
  await using made = await started(THREE, [], {
    quic: {
      apply: ({ node }) => {
        calls.push(`apply quic ${node}`);
        return node === "new" ? new Promise(() => {}) : undefined;
      },
    },
  }, { applyTimeout: 20 });
  const { runner } = made;
  await assert.rejects(runner.apply(NEW, OLD, THREE), /^Error: quic: not done within 20 ms$/);
  assert.deepEqual(calls, ["apply quic new", "apply quic old"]);
});

Deno.test("modules: drain goes on after one that fails", async () => {
  await using made = await started(THREE, ["drain quic"]);
  const { runner, calls, logged } = made;
  await runner.drain(1000);
  assert.deepEqual(calls, ["drain auth", "drain quic", "drain http"]);
  assert.deepEqual(logged.map(({ event, module }) => `${event}: ${module}`), [
    "module could not drain: quic",
  ]);
});

Deno.test("modules: drain gives each the time that is left", async () => {
  const given: number[] = [];
  await using made = await started(["http", "quic"], [], {
    http: { drain: (deadline) => void given.push(deadline) },
    quic: {
      drain: (deadline) => {
        given.push(deadline);
        return new Promise((resolve) => setTimeout(resolve, 30));
      },
    },
  });
  const { runner } = made;
  await runner.drain(10);
  assert.ok(given[0]! > 0 && given[0]! <= 10);
  assert.equal(given[1], 0);
});

Deno.test("modules: a drain that hangs is given up some time after its deadline", async () => {
  await using made = await started(THREE, [], {
    quic: { drain: () => new Promise(() => {}) },
  }, { closeTimeout: 20 });
  const { runner, calls, logged } = made;
  await runner.drain(10);
  assert.deepEqual(calls, ["drain auth", "drain http"]);
  assert.deepEqual(logged.map(({ module }) => module), ["quic"]);
});

Deno.test("modules: close goes on after one that fails and one that hangs", async () => {
  await using made = await started(THREE, ["close auth"], {
    quic: { close: () => new Promise(() => {}) },
  }, { closeTimeout: 20 });
  const { runner, calls, logged } = made;
  await runner.close();
  assert.deepEqual(calls, ["close auth", "close http"]);
  assert.deepEqual(logged.map(({ module }) => module), ["auth", "quic"]);
});

Deno.test("modules: a second close does nothing", async () => {
  await using made = await started(THREE);
  const { runner, calls } = made;
  await runner.close();
  await runner.close();
  assert.deepEqual(calls, ["close auth", "close quic", "close http"]);
});

Deno.test("modules: a sweep that throws does not keep the others from theirs", async () => {
  await using made = await started(THREE, ["sweep quic 7"]);
  const { runner, calls, logged } = made;
  runner.sweep(7);
  assert.deepEqual(calls, ["sweep http 7", "sweep quic 7", "sweep auth 7"]);
  assert.deepEqual(logged.map(({ module }) => module), ["quic"]);
});

Deno.test("modules: sweeps begin with the start and end with the close", async () => {
  const swept = Promise.withResolvers<number>();
  const { runner, calls } = make(["http"], [], { http: { sweep: (now) => swept.resolve(now) } }, {
    sweepInterval: 1,
  });
  await runner.start(OLD);
  assert.ok(Math.abs(await swept.promise - Date.now()) < 60_000);
  // The sanitizer of resources fails this test when the timer goes on.
  await runner.close();
  assert.deepEqual(calls, ["start http", "close http"]);
});

Deno.test("modules: status merges what several give under one name", async () => {
  await using made = await started(THREE, [], { auth: { status: () => ({ auth: [1], http: null }) } });
  const { runner } = made;
  assert.deepEqual(runner.status(), { http: null, quic: true, auth: [1], all: { http: 0, quic: 1 } });
});

Deno.test("modules: the first reason not to be ready counts", async () => {
  const now: { reason?: string } = {};
  await using made = await started(THREE, [], {
    quic: { notReady: () => now.reason },
    auth: { notReady: () => now.reason && "another" },
  });
  const { runner } = made;
  assert.equal(runner.notReady(), undefined);
  now.reason = "full";
  assert.equal(runner.notReady(), "full");
});

Deno.test("modules: whichever apply fails, every module ends with the configuration of before", async () => {
  const names = ["http", "quic", "auth", "session", "files"];
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: names.length - 1 }), fc.subarray(names), async (at, changed) => {
      const inForce = new Map(names.map((name) => [name, "old"]));
      const more = Object.fromEntries(names.map((name, index): [string, Partial<Module>] => [name, {
        apply: ({ node }) => {
          if (index === at && node === "new") throw new Error("no");
          inForce.set(name, node!);
        },
      }]));
      await using made = await started(names, [], more);
      const { runner } = made;
      const applied = runner.apply(NEW, OLD, changed);
      const good = !changed.includes(names[at]!);
      if (good) await applied;
      else await assert.rejects(applied);
      const expected = names.map((name) => [name, good && changed.includes(name) ? "new" : "old"]);
      assert.deepEqual([...inForce], expected);
    }),
    { numRuns: 100 },
  );
});

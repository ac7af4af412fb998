import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { MemoryStore } from "../../src/engine/memory/store.ts";
import type { EngineModule } from "../../src/service/engine/module.ts";
import { createLogger } from "../../src/service/log/mod.ts";
import { NodesModule } from "../../src/service/nodes/module.ts";
import type { SessionsModule } from "../../src/service/sessions/module.ts";
import { FakeClock, settle } from "../support/clock.ts";
import { defaultConfig } from "../support/config.ts";

/** The module on an engine with a clock of its own. */
function place() {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const engine = new MemoryEngine({ store });
  const lines: { event: string }[] = [];
  let reclaims = 0;
  const module = new NodesModule(
    "n1",
    { engine } as unknown as EngineModule,
    { sessions: { reclaim: () => void reclaims++ } } as unknown as SessionsModule,
    createLogger({ level: "info", format: "json", write: (line) => void lines.push(JSON.parse(line)) }),
  );
  return {
    clock,
    engine,
    module,
    lines,
    other: new MemoryEngine({ store }),
    reclaims: () => reclaims,
    /** Lets seconds pass with a sweep after each. */
    async run(seconds: number): Promise<void> {
      for (let i = 0; i < seconds; i++) {
        clock.sleep(1000);
        engine.sweep();
        module.sweep();
        await settle();
      }
    },
  };
}

const names = (engine: MemoryEngine) => engine.commands.nodes().map(({ name }) => name);
const figure = (module: NodesModule, name: string) => {
  const series = module.series.find((series) => series.name === name) as { read(): Iterable<unknown> };
  return [...series.read()];
};

Deno.test("nodes module: a node is known from its start to its end", async () => {
  const { module, other, run, reclaims } = place();
  assert.deepEqual(names(other), []);
  await module.start(defaultConfig());
  assert.deepEqual(names(other), ["n1"]);
  await run(100);
  assert.deepEqual(names(other), ["n1"]);
  assert.deepEqual((module.status() as { nodes: { name: string }[] }).nodes.map(({ name }) => name), ["n1"]);
  await module.close();
  assert.deepEqual(names(other), []);
  await run(10);
  assert.deepEqual(names(other), [], "what has ended does not announce itself");
  assert.equal(reclaims(), 0);
});

Deno.test("nodes module: after a long pause it claims its sessions again, once", async () => {
  const { clock, module, other, run, reclaims, lines } = place();
  await module.start(defaultConfig());
  clock.sleep(60_000);
  assert.deepEqual(names(other), []);
  await run(9);
  assert.equal(reclaims(), 1);
  assert.deepEqual(lines.map(({ event }) => event), [
    "others took this node for dead: it claims its sessions again",
  ]);
  assert.deepEqual(figure(module, "skein_node_lapses_total"), [[[], 1]]);
  assert.deepEqual(figure(module, "skein_nodes"), [[[], 1]]);
});

Deno.test("nodes module: a store that cannot be reached is logged, and tried again", async () => {
  const { engine, module, run, lines, other } = place();
  await module.start(defaultConfig());
  const { commands } = engine;
  const announce = commands.announce.bind(commands);
  let down = true;
  Object.assign(commands, {
    announce: (...args: Parameters<typeof announce>) =>
      down ? Promise.reject(new Error("no store")) : announce(...args),
  });
  await run(6);
  assert.deepEqual(lines.map(({ event }) => event), Array(2).fill("node could not announce itself"));
  down = false;
  await run(12);
  assert.deepEqual(names(other), ["n1"]);
});

Deno.test("nodes module: its end waits for an announcement, so that it is not alive again behind it", async () => {
  const { engine, module, run, other } = place();
  await module.start(defaultConfig());
  const { commands } = engine;
  const announce = commands.announce.bind(commands);
  const gate = Promise.withResolvers<void>();
  Object.assign(commands, {
    async announce(...args: Parameters<typeof announce>) {
      await gate.promise;
      return announce(...args);
    },
  });
  await run(3);
  const closed = module.close();
  await settle();
  gate.resolve();
  await closed;
  await settle();
  assert.deepEqual(names(other), []);
});

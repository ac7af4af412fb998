/**
 * Measurements of functions.
 *
 * @module
 */

import { DeployedFunction, readSource, Slots } from "../../../src/functions/mod.ts";
import type { FunctionHost } from "../../../src/functions/mod.ts";
import { type Measure, measureTrips, median, quantile } from "../scenario.ts";
import { dial, exchange, framed } from "../skein/dial.ts";
import { pipelined, startSkein } from "../skein/measure.ts";

const SOURCE = `import { defineFunction } from "./skein.ts";
export default defineFunction({ on: { http: true, rpc: { methods: ["NAME"] } }, handler: (event) => event.kind === "rpc" ? event.data : null });
`;

/** A folder of so many functions; each answers the `rpc` of its name. */
async function folder(count: number): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "skein-bench-" });
  for (let n = 0; n < count; n++) {
    await Deno.writeTextFile(`${directory}/f${n}.ts`, SOURCE.replace("NAME", `f${n}`));
  }
  return directory;
}

/** An \`rpc\` that a function answers, less a ping; microseconds at the median. */
export async function warmCall(): Promise<Measure> {
  const directory = await folder(1);
  try {
    await using server = await startSkein({ functions: { directory } });
    const client = await dial(server, "websocket", "ann");
    const call = await measureTrips(() => exchange(client, framed("rpc", { method: "f0", data: { n: 1 } })));
    const ping = await measureTrips(() => exchange(client, framed("ping", {})));
    return { value: (call.p50 ?? call.value) - (ping.p50 ?? ping.value) };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Starts of a process until its function is loaded; milliseconds at the median. */
export async function coldStart(): Promise<Measure> {
  const starts: number[] = [];
  await withFunction(async (deployed) => {
    for (let n = 0; n < 20; n++) {
      deployed.sweep(Infinity);
      const before = performance.now();
      await deployed.call({ event: { kind: "rpc", method: "f0", data: n, from: "ann", session: "s" } });
      starts.push(performance.now() - before);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  return { value: median(starts), p50: median(starts), p99: quantile(starts, 0.99) };
}

/** Calls of one function, 64 at a time. */
export async function warmCalls(): Promise<Measure> {
  let rate = 0;
  await withFunction(async (deployed) => {
    const event = { kind: "rpc", method: "f0", data: { n: 1 }, from: "ann", session: "s" } as const;
    const run = async (count: number): Promise<void> => {
      let left = count;
      const one = async (): Promise<void> => {
        while (left-- > 0) await deployed.call({ event });
      };
      await Promise.all(Array.from({ length: 64 }, one));
    };
    await run(5_000);
    const start = performance.now();
    await run(40_000);
    rate = 40_000 / (performance.now() - start) * 1000;
  });
  return { value: rate };
}

async function withFunction(use: (deployed: DeployedFunction) => Promise<void>): Promise<void> {
  const directory = await folder(1);
  const deployed = new DeployedFunction("f0", {
    limits: () => ({
      timeout: 10_000,
      maxTimeout: 10_000,
      startTimeout: 10_000,
      memory: 512 * 1024 ** 2,
      concurrency: 64,
      queue: 1000,
      idle: 60_000,
    }),
    slots: new Slots(() => 4),
    host: {} as FunctionHost,
    log: () => {},
    started: () => {},
  });
  try {
    await deployed.load(await readSource(directory, "f0.ts"), {});
    await use(deployed);
  } finally {
    await deployed.close(0);
    await Deno.remove(directory, { recursive: true });
  }
}

/**
 * Memory of the service and the isolates of 20 functions, of 500 that it knows: the share of each process in pages that
 * several have counts once (PSS).
 */
export async function memory(): Promise<Measure> {
  const directory = await folder(500);
  try {
    await using server = await startSkein({ functions: { directory, maxIsolates: 20 } });
    const call = async (name: string): Promise<number> => {
      const answer = await fetch(`http://127.0.0.1:${server.hello.httpPort}/fn/${name}`);
      await answer.body?.cancel();
      return answer.status;
    };
    // The last of them by name: it is loaded last.
    while (await call("f99") !== 204) await new Promise((resolve) => setTimeout(resolve, 100));
    for (let n = 0; n < 20; n++) await call(`f${n}`);
    let total = 0;
    for (const pid of await processes(server.pid)) {
      const rollup = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
      total += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]);
    }
    return { value: total };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A process and those it started. */
async function processes(pid: number): Promise<number[]> {
  const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  return [pid, ...children.trim().split(/\s+/).filter((text) => text !== "").map(Number)];
}

/** Messages of 1 KB beside functions that look at none of them, or without any. */
export async function publishing(beside: boolean): Promise<Measure> {
  if (!beside) return await pipelined("quic", 1024, 60_000);
  const directory = await folder(3);
  try {
    return await pipelined("quic", 1024, 60_000, { functions: { directory } });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

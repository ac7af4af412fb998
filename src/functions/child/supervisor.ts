/**
 * The process of an isolate: its main thread. It gives up every permission, passes bytes between its pipes and the worker
 * in which the function runs, and ends the process when that takes too much memory or when the service is gone. The
 * function cannot keep it from that: a worker has a thread of its own.
 *
 * @module
 */

import { EXIT_BROKEN, EXIT_MEMORY } from "./exits.ts";
import { encodeFrame, joined } from "./frames.ts";

/** Milliseconds between two looks at the memory while the function works, and for this long after. */
const BUSY_LOOK = 25;
/** Milliseconds between two looks while nothing comes or goes. */
const IDLE_LOOK = 100;
/** Milliseconds between two reports of the memory. */
const REPORT = 1000;

/** Every kind of permission. */
const PERMISSIONS = ["run", "read", "write", "net", "env", "sys", "ffi", "import"] as const;

/** Runs the process until it ends. `args`: the most bytes it may have resident. */
export async function supervise(args: readonly string[]): Promise<never> {
  const limit = Number(args[0]);
  if (!(limit > 0)) Deno.exit(EXIT_BROKEN);
  // A terminal, or systemd, sends these to the whole group: the service drains first, and closes the input then.
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => {});
  const worker = new Worker(
    new URL("./worker.ts", import.meta.url).href,
    { type: "module", name: "function", deno: { permissions: "none" } } as WorkerOptions,
  );
  worker.onerror = (event) => {
    event.preventDefault();
    console.error(event.message);
    Deno.exit(EXIT_BROKEN);
  };
  const pipe = new Output();
  let active = 0;
  await new Promise((resolve) => worker.onmessage = resolve);
  // The worker is loaded: nothing is read any more.
  for (const name of PERMISSIONS) Deno.permissions.revokeSync({ name });
  worker.onmessage = ({ data }: MessageEvent<Uint8Array<ArrayBuffer>>) => {
    active = performance.now();
    pipe.write(data);
  };
  watchMemory(limit, pipe, () => active);
  for await (const chunk of Deno.stdin.readable) {
    active = performance.now();
    worker.postMessage(chunk, [chunk.buffer]);
  }
  Deno.exit(0);
}

/** Ends the process when it has more than `limit` bytes resident. */
function watchMemory(limit: number, pipe: Output, lastActive: () => number): void {
  let reported = -Infinity;
  const look = (): void => {
    const { rss } = Deno.memoryUsage();
    if (rss > limit) Deno.exit(EXIT_MEMORY);
    const now = performance.now();
    const busy = now - lastActive() < REPORT;
    // An idle one writes nothing, so that it costs nothing.
    if (busy && now - reported >= REPORT) {
      reported = now;
      pipe.write(encodeFrame({ t: "memory", bytes: rss }));
    }
    setTimeout(look, busy ? BUSY_LOOK : IDLE_LOOK);
  };
  look();
}

/** Standard output: one write at a time, and all that waits meanwhile is the next. */
class Output {
  #waiting: Uint8Array[] = [];
  #busy = false;

  write(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    if (!this.#busy) void this.#flush();
  }

  async #flush(): Promise<void> {
    this.#busy = true;
    try {
      for (let next = this.#waiting; next.length > 0; next = this.#waiting) {
        this.#waiting = [];
        let bytes: Uint8Array = joined(next);
        while (bytes.length > 0) bytes = bytes.subarray(await Deno.stdout.write(bytes));
      }
    } catch {
      // The service is gone.
      Deno.exit(0);
    }
    this.#busy = false;
  }
}

if (import.meta.main) await supervise(Deno.args);

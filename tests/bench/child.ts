/**
 * A server in a process of its own. Its first line on stdout is a JSON object, and it answers each line on stdin with
 * one; memory and processor time are read from /proc.
 *
 * @module
 */

import { TextLineStream } from "./lines.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
/** Clock ticks a second in /proc/PID/stat; fixed on Linux. */
const TICKS = 100;

/** A line of a child. */
// deno-lint-ignore no-explicit-any -- each server has lines of its own
export type Line = Record<string, any>;

/** A running server process. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Its first line. */
  readonly hello: Line;
  /** Sends a line, waits for the next one it says. */
  ask(command: Line): Promise<Line>;
  /** Resident memory in bytes. */
  memory(): Promise<number>;
  /** Processor time used so far in seconds. */
  processorTime(): Promise<number>;
}

/**
 * Starts `deno run` with these arguments and waits for its first JSON line; other lines are skipped. Rejects when none
 * comes within `timeout` ms.
 */
export async function startChild(args: readonly string[], env: Record<string, string> = {}): Promise<Child> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "--no-check", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextLineStream()).getReader();
  const input = process.stdin.getWriter();
  input.closed.catch(() => {});
  const next = async (timeout: number): Promise<Line> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the server said nothing within ${timeout} ms`)), timeout);
    });
    try {
      for (;;) {
        const { value, done } = await Promise.race([lines.read(), late]);
        if (done) throw new Error("the server ended");
        if (value.startsWith("{")) return JSON.parse(value);
      }
    } finally {
      clearTimeout(timer);
    }
  };
  const stop = async (): Promise<void> => {
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await process.status;
    await lines.cancel().catch(() => {});
    await input.abort().catch(() => {});
  };
  let hello: Line;
  try {
    hello = await next(20_000);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pid: process.pid,
    hello,
    async ask(command) {
      await input.write(new TextEncoder().encode(JSON.stringify(command) + "\n"));
      return await next(180_000);
    },
    async memory() {
      const status = await Deno.readTextFile(`/proc/${process.pid}/status`);
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1024;
    },
    async processorTime() {
      const stat = await Deno.readTextFile(`/proc/${process.pid}/stat`);
      // The name in parentheses may hold spaces; what follows it does not.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) / TICKS;
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Milliseconds since the epoch, finer than `Date.now`, and the same clock in every process of the machine. */
export function clock(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * Figures of the process: memory, processor time, event-loop lag, uptime. The collectors of prom-client are not used:
 * they read files that a process with named permissions may not read, and report 0 then.
 *
 * @module
 */

import process from "node:process";

/** Milliseconds between two samples. */
const SAMPLE_MS = 250;
/** Samples that are kept: those of a minute. */
const WINDOW = 240;

/** What the process uses now. */
export interface ProcessFigures {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  /** Time of processors, in user mode and in the kernel. */
  readonly cpuSeconds: number;
  /** How late the last timer came, in seconds. */
  readonly lagSeconds: number;
  /** The latest any timer of the last minute came, in seconds. */
  readonly lagMaxSeconds: number;
  readonly uptimeSeconds: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** Measures event-loop lag by timer drift. */
export class ProcessSampler {
  readonly #startedAt = Date.now();
  readonly #started = performance.now();
  readonly #samples = new Float64Array(WINDOW);
  #at = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Starts sampling. The timer does not keep the process alive. */
  start(): void {
    if (this.#timer !== undefined) return;
    let due = performance.now() + SAMPLE_MS;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#at = (this.#at + 1) % WINDOW;
      this.#samples[this.#at] = Math.max(0, now - due) / 1000;
      due = now + SAMPLE_MS;
    }, SAMPLE_MS);
    Deno.unrefTimer(this.#timer);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  read(): ProcessFigures {
    const memory = Deno.memoryUsage();
    const cpu = process.cpuUsage();
    return {
      residentBytes: memory.rss,
      heapUsedBytes: memory.heapUsed,
      heapTotalBytes: memory.heapTotal,
      externalBytes: memory.external,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      lagSeconds: this.#samples[this.#at]!,
      lagMaxSeconds: this.#samples.reduce((a, b) => Math.max(a, b), 0),
      uptimeSeconds: (performance.now() - this.#started) / 1000,
      startedAt: this.#startedAt,
    };
  }
}

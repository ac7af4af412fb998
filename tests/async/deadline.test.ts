import assert from "node:assert/strict";
import fc from "fast-check";
import { deadline, delay, settles } from "../../src/async/deadline.ts";
import { systemTimers, type Timers } from "../../src/async/timers.ts";

/** Timers that fire when they are told to. */
class ManualTimers implements Timers {
  readonly pending = new Map<() => void, number>();

  after(ms: number, fn: () => void): () => void {
    this.pending.set(fn, ms);
    return () => this.pending.delete(fn);
  }

  fire(): void {
    for (const fn of [...this.pending.keys()]) fn();
  }
}

/** An AbortController that counts the listeners of its signal. */
function watchedAbort(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController(), { signal } = controller;
  const listeners = new Set<unknown>();
  const add = signal.addEventListener.bind(signal), remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners.add(args[1]);
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners.delete(args[1]);
    remove(...args);
  };
  return { controller, listeners: () => listeners.size };
}

const LATE = new Error("late"), FAILED = new Error("failed"), ABORTED = new Error("aborted");

Deno.test("deadline: whatever comes first decides, and nothing is left behind", async () => {
  const event = fc.constantFrom("resolve", "reject", "expire", "abort");
  await fc.assert(fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 6 }), async (events) => {
    const timers = new ManualTimers();
    const { controller, listeners } = watchedAbort();
    const work = Promise.withResolvers<string>();
    const result = deadline(work.promise, 50, () => LATE, { signal: controller.signal, timers });
    const outcome = result.then((value) => value, (error) => error);
    assert.deepEqual([...timers.pending.values()], [50]);
    for (const name of events) {
      if (name === "resolve") work.resolve("done");
      if (name === "reject") work.reject(FAILED);
      if (name === "expire") timers.fire();
      if (name === "abort") controller.abort(ABORTED);
      // Lets the reactions run, so that the next event is a later one.
      await Promise.resolve();
    }
    const expected = { resolve: "done", reject: FAILED, expire: LATE, abort: ABORTED };
    assert.equal(await outcome, expected[events[0]!]);
    assert.equal(timers.pending.size, 0);
    assert.equal(listeners(), 0);
  }));
});

Deno.test("deadline: work that fails after its deadline is no unhandled rejection", async () => {
  const unhandled: unknown[] = [];
  const listen = (event: PromiseRejectionEvent): void => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  addEventListener("unhandledrejection", listen);
  try {
    const timers = new ManualTimers();
    const work = Promise.withResolvers<void>();
    const result = deadline(work.promise, 1, () => LATE, { timers });
    timers.fire();
    await assert.rejects(result, LATE);
    work.reject(FAILED);
    await delay(0);
    assert.deepEqual(unhandled, []);
  } finally {
    removeEventListener("unhandledrejection", listen);
  }
});

Deno.test("deadline: a signal that is aborted already wins over work that is done", async () => {
  const signal = AbortSignal.abort(ABORTED);
  await assert.rejects(deadline(Promise.resolve(1), 1000, () => LATE, { signal }), ABORTED);
});

Deno.test("settles: tells whether the work ended in time, and never how", async () => {
  assert.equal(await settles(Promise.resolve(), 1000), true);
  assert.equal(await settles(Promise.reject(FAILED), 1000), true);
  const timers = new ManualTimers();
  const waiting = settles(new Promise(() => {}), 1000, { timers });
  timers.fire();
  assert.equal(await waiting, false);
});

Deno.test("delay: ends with its time or rejects with the reason of its signal", async () => {
  const timers = new ManualTimers();
  const first = delay(5, { timers });
  assert.deepEqual([...timers.pending.values()], [5]);
  timers.fire();
  await first;
  const { controller, listeners } = watchedAbort();
  const second = delay(5, { timers, signal: controller.signal });
  controller.abort(ABORTED);
  await assert.rejects(second, ABORTED);
  assert.equal(timers.pending.size, 0);
  assert.equal(listeners(), 0);
});

Deno.test("timers: a time that setTimeout cannot hold does not fire at once", async () => {
  let fired = false;
  const cancel = systemTimers.after(2 ** 40, () => fired = true);
  await delay(20);
  cancel();
  assert.equal(fired, false);
});

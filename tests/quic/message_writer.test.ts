import assert from "node:assert/strict";
import { systemTimers, type Timers } from "../../src/async/timers.ts";
import { MessageWriter } from "../../src/quic/h3/message_stream.ts";
import { QuicError } from "../../src/quic/errors.ts";
import { FakeClock, settle } from "../support/clock.ts";

/** Runs `body` with timers that wait for the clock of the test. */
async function withClock(body: (clock: FakeClock) => Promise<void>): Promise<void> {
  const timers = systemTimers as { after: Timers["after"] };
  const { after } = timers;
  const clock = new FakeClock();
  timers.after = (ms, fn) => clock.after(ms, fn);
  try {
    await body(clock);
  } finally {
    timers.after = after;
  }
}

for (
  const [what, act] of [
    ["headers", (writer: MessageWriter) => writer.headers([])],
    ["data", (writer: MessageWriter) => writer.data(new Uint8Array(10))],
    ["the end", (writer: MessageWriter) => writer.end()],
  ] as const
) {
  Deno.test(`message writer: a peer that does not read ${what} for 30 s has its stream given up`, () =>
    withClock(async (clock) => {
      let aborted = false;
      const signal = Promise.withResolvers<void>();
      const writable = new WritableStream<Uint8Array>({
        start: (controller) =>
          controller.signal.addEventListener("abort", () => {
            aborted = true;
            signal.resolve();
          }),
        write: () => signal.promise,
        close: () => signal.promise,
      });
      const writer = new MessageWriter(writable);
      let outcome: unknown;
      act(writer).then(() => outcome = "done", (error) => outcome = error);
      await clock.advance(29_999);
      assert.deepEqual([outcome, aborted], [undefined, false]);
      await clock.advance(1);
      await settle();
      assert.ok(outcome instanceof QuicError && outcome.code === "timeout", String(outcome));
      assert.equal(aborted, true);
      await assert.rejects(writer.data(new Uint8Array(1)));
    }));
}

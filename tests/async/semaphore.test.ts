import assert from "node:assert/strict";
import fc from "fast-check";
import { settle } from "../client/support.ts";
import { Semaphore } from "../../src/async/semaphore.ts";

/** Validates: holders never exceed the number, and who waits is served in order unless it gives up. */
Deno.test("Feature: quic-transport, Property 46: a semaphore admits its number of holders, in the order in which they came", () =>
  fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 4 }),
    fc.array(fc.constantFrom("enter", "leave", "abort"), { maxLength: 40 }),
    async (most, steps) => {
      const semaphore = new Semaphore(most);
      const waiting: { n: number; abort: AbortController }[] = [];
      const inside: number[] = [];
      const expected: number[] = [];
      let came = 0;
      for (const step of steps) {
        if (step === "enter") {
          const n = came++, abort = new AbortController();
          if (inside.length < most) expected.push(n);
          else waiting.push({ n, abort });
          semaphore.acquire(abort.signal).then(() => inside.push(n), () => {});
        } else if (step === "leave" && inside.length > 0) {
          inside.shift();
          expected.shift();
          semaphore.release();
          const next = waiting.shift();
          if (next !== undefined) expected.push(next.n);
        } else if (step === "abort") {
          waiting.splice(waiting.length >> 1, 1)[0]?.abort.abort();
        }
        await settle();
        assert.deepEqual(inside, expected);
      }
    },
  )));

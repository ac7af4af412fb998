/** How much of an upload is on its way over a connection that others share. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { FIRST_WINDOW, UploadWindow } from "../../src/client/policy/window.ts";

const CHUNK = 48_384;
const LARGEST = 4 * 1024 ** 2;

/** Sends for `seconds` over a path that takes `rate` bytes a second and `rtt` ms; what is in the window at the end. */
function send(rate: number, rtt: number, seconds: number): { window: number; carried: number } {
  const window = new UploadWindow(CHUNK, LARGEST);
  const way: { end: number; at: number }[] = [];
  let sent = 0, acked = 0, free = 0;
  for (let now = 0; now < seconds * 1000; now++) {
    while (way.length > 0 && way[0]!.at <= now) {
      acked = way.shift()!.end;
      window.acknowledged(acked, now);
    }
    while (sent + CHUNK - acked <= window.size) {
      sent += CHUNK;
      // Through the narrow place one after the other.
      free = Math.max(free, now) + CHUNK / rate * 1000;
      way.push({ end: sent, at: free + rtt });
      window.sent(sent, now);
    }
  }
  return { window: window.size, carried: acked };
}

Deno.test("window: a fast path is used whole, and on a slow one little waits", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 30_000, max: 50_000_000 }),
      fc.integer({ min: 1, max: 80 }),
      (rate, rtt) => {
        const { window, carried } = send(rate, rtt, 20);
        assert.ok(window >= CHUNK && window <= LARGEST);
        // Behind what is on its way a message waits at most so long, but for one chunk.
        assert.ok(window <= CHUNK || window / rate <= 0.65, `${window} at ${rate} B/s`);
        const most = Math.min(rate, LARGEST / rtt * 1000);
        assert.ok(carried >= most * 20 * 0.3, `${carried} of ${most * 20}`);
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("window: a window begins small, follows only what it watched, and keeps to its bounds", () => {
  const window = new UploadWindow(1000, LARGEST);
  assert.equal(window.size, FIRST_WINDOW);
  window.acknowledged(5000, 10);
  assert.equal(window.size, FIRST_WINDOW, "nothing was watched");
  window.sent(1000, 20);
  window.sent(2000, 500);
  window.acknowledged(999, 30);
  assert.equal(window.size, FIRST_WINDOW);
  window.acknowledged(1000, 119);
  assert.equal(window.size, FIRST_WINDOW * 2);
  window.sent(3000, 200);
  window.acknowledged(3000, 300);
  assert.equal(window.size, FIRST_WINDOW * 2, "neither quick nor slow");
  for (let i = 0; i < 20; i++) {
    window.sent(i, 0);
    window.acknowledged(i, 201);
  }
  assert.equal(window.size, 1000);
  assert.equal(new UploadWindow(1000, 500).size, 1000, "a chunk may always be on its way");
});

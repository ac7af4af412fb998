/** How much is left to a WebSocket that does not say when it has room. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { LOOK, LOW_MARK, nextMark, TOP_MARK } from "../../src/streams/mod.ts";

Deno.test("high water: on any path about as much is left to the runtime as leaves between two looks", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: TOP_MARK }), (perLook) => {
      let mark = LOW_MARK, left = 0;
      for (let look = 0; look < 200; look++) {
        const buffered = Math.max(0, mark - perLook);
        left = mark - buffered;
        mark = nextMark(mark, buffered);
        assert.ok(mark >= LOW_MARK && mark <= TOP_MARK);
      }
      // As fast as can be, and what waits leaves within a few looks.
      assert.ok(left >= Math.min(perLook, LOW_MARK));
      assert.ok(mark <= Math.max(LOW_MARK, perLook * 2 + 1), `${mark} for ${perLook}`);
      assert.ok(left >= perLook / 2, `${left} of ${perLook} every ${LOOK} ms`);
    }),
    { numRuns: 300 },
  );
});

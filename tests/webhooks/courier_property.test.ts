/** Couriers that are killed, and an endpoint that dies and comes back: no event is lost. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { DOWN, Office, REFUSED } from "./office.ts";

type Step =
  | { readonly kind: "add"; readonly count: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "down" | "up" | "kill" | "stop" | "mute" }
  | { readonly kind: "poison"; readonly every: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 40 }).map((count) => ({ kind: "add" as const, count })) },
  {
    weight: 5,
    arbitrary: fc.constantFrom(1, 50, 300, 1500, 20_000).map((ms) => ({ kind: "pass" as const, ms })),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom("down", "up", "kill", "stop", "mute").map((kind) => ({ kind } as Step)),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 2, max: 9 }).map((every) => ({ kind: "poison" as const, every })),
  },
);

/** Validates: an endpoint that dies and comes back, and couriers that are killed, lose no event. */
Deno.test("Feature: quic-transport, Property 202: webhooks (every event comes once or more, none is lost)", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40, size: "max" }),
      fc.constantFrom(1, 3, 20),
      fc.constantFrom(1, 4),
      async (steps, size, concurrency) => {
        const office = new Office({ batch: { size, delay: 100 }, concurrency });
        const ids: string[] = [];
        await office.open();
        for (const step of steps) {
          switch (step.kind) {
            case "add":
              ids.push(...await office.add(step.count));
              break;
            case "pass":
              await office.clock.advance(step.ms);
              break;
            case "down":
              office.answer = () => DOWN;
              break;
            case "up":
              office.answer = () => ({ status: 200 });
              break;
            case "mute":
              // It takes events and its answers are lost.
              office.answer = (some) => {
                office.taken.push(...some);
                return DOWN;
              };
              break;
            case "poison":
              office.answer = (some) =>
                some.some((id) => Number(id.slice(4)) % step.every === 0) ? REFUSED : { status: 200 };
              break;
            case "stop":
              await office.close();
              await office.open();
              break;
            case "kill":
              office.life.killed = true;
              await office.open();
          }
        }
        office.answer = () => ({ status: 200 });
        await office.clock.advance(700_000);
        await office.close();
        const dead = new Set((await office.queue.dead(0, 10_000)).letters.map(({ event }) => event.id));
        const taken = new Set(office.taken);
        for (const id of ids) assert.ok(taken.has(id) || dead.has(id), `${id} was lost`);
        assert.deepEqual(office.failures, []);
      },
    ),
    { numRuns: 120 },
  );
});

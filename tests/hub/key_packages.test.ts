import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { KeyPackages } from "../../src/hub/key_packages.ts";
import { FakeClock } from "../support/clock.ts";

const DAY = 86_400_000;
const nameOf = (n: number): string => `${n}`.padStart(43, "d");

Deno.test("key packages: a device that has been gone for 90 days makes room for another one", async () => {
  const clock = new FakeClock();
  const engine = new MemoryEngine({ clock });
  const packages = new KeyPackages(engine.values);
  const publish = (n: number) => packages.publish("ann", { device: nameOf(n), packages: [`of${n}`] });
  for (let n = 0; n < 16; n++) await publish(n);
  await assert.rejects(publish(16), { error: "limit_exceeded" });
  await clock.advance(60 * DAY);
  // All but the first come back.
  for (let n = 1; n < 16; n++) await publish(n);
  await assert.rejects(publish(16), { error: "limit_exceeded" });
  await clock.advance(60 * DAY);
  await publish(16);
  await assert.rejects(publish(17), { error: "limit_exceeded" });
  const claimed = await packages.claim("ann");
  assert.deepEqual(
    claimed.map(({ device }) => device),
    Array.from({ length: 16 }, (_, at) => nameOf(at + 1)),
  );
});

import assert from "node:assert/strict";
import { ADAPTERS, connectedPair } from "./adapters.ts";
import { BEHAVIOURS } from "./conformance.ts";

for (const adapter of ADAPTERS) {
  for (const { name, options, check } of BEHAVIOURS) {
    if (!adapter.broken.includes(name)) {
      Deno.test(`conformance: ${adapter.name}: ${name}`, async () => {
        await using pair = await connectedPair(adapter, options);
        await check(pair);
      });
      continue;
    }
    // Known to be broken in Deno: it must still fail, so that it shows when Deno has mended it.
    Deno.test({
      name: `conformance: ${adapter.name}: still broken in Deno: ${name}`,
      // What hangs leaves its operations behind.
      sanitizeOps: false,
      sanitizeResources: false,
      fn: async () => {
        await using pair = await connectedPair(adapter, options, { patience: 700 });
        await assert.rejects(check(pair), "Deno has mended this: take it off the list");
      },
    });
  }
}

Deno.test("conformance: every behaviour listed as broken is in the suite", () => {
  const names = new Set(BEHAVIOURS.map(({ name }) => name));
  for (const { broken } of ADAPTERS) for (const name of broken) assert.ok(names.has(name), name);
});

/** Many Yjs clients that edit at random while the network and the service fail. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Path } from "../../src/client/policy/paths.ts";
import { DocumentKey, type YjsProviderOptions } from "../../src/client/yjs.ts";
import { type KeptOutbox, World } from "../client/support.ts";
import { Device, DOC, serverText } from "./yjs_support.ts";

/** Milliseconds of the world's time until everybody is in step again. */
const PATIENCE = 200_000;
/** Up to so many milliseconds of the world's time for each piece that is sealed or opened. */
const CIPHER_SPREAD = 200;

type Step =
  | { do: "edit"; device: number; at: number; insert: string; remove: number }
  | { do: "wait"; ms: number }
  | { do: "cut"; path: Path | undefined }
  | { do: "dial"; path: Path; dial: "open" | "refused" | "dropped"; latency: number; spread: number }
  | { do: "restart"; ms: number }
  | { do: "away"; device: number };

const path = fc.constantFrom<Path>("quic", "websocket");

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("edit" as const),
      device: fc.nat(4),
      at: fc.nat(200),
      insert: fc.string({ maxLength: 6 }),
      remove: fc.nat(4),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1500 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("cut" as const), path: fc.option(path, { nil: undefined }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("dial" as const),
      path,
      dial: fc.constantFrom("open" as const, "refused" as const, "dropped" as const),
      latency: fc.integer({ min: 1, max: 80 }),
      spread: fc.integer({ min: 0, max: 60 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("restart" as const), ms: fc.integer({ min: 1, max: 2000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("away" as const), device: fc.nat(4) }) },
);

/** Lets devices live through `steps`, heals everything, and says what each of them and the server has then. */
async function live(
  count: number,
  steps: readonly Step[],
  { key, ...options }: YjsProviderOptions & { key?: DocumentKey },
) {
  const world = new World(count);
  const cipher = key === undefined ? {} : { key: world.cipher(key, CIPHER_SPREAD) };
  // Reloads keep the outbox, as a page's storage does, and lose the document.
  const devices: Device[] = [];
  let clients = 0;
  const open = (at: number, outbox?: KeptOutbox): Device =>
    devices[at] = new Device(world, `user${at}`, {
      ...options,
      ...cipher,
      clientID: ++clients,
      ...(outbox === undefined ? {} : { outbox }),
    });
  for (let at = 0; at < count; at++) open(at);
  try {
    for (const each of steps) {
      switch (each.do) {
        case "edit":
          devices[each.device % count]!.edit(each.at, each.insert, each.remove);
          break;
        case "wait":
          await world.clock.advance(each.ms);
          break;
        case "cut":
          world.cut(each.path);
          break;
        case "dial":
          Object.assign(world.paths[each.path], {
            dial: each.dial,
            latency: each.latency,
            spread: each.spread,
          });
          break;
        case "restart":
          world.kill();
          await world.clock.advance(each.ms);
          world.start();
          break;
        case "away": {
          const at = each.device % count, device = devices[at]!;
          const going = device.gone(1200);
          device.provider.destroy();
          await going;
          open(at, device.outbox);
        }
      }
    }
    for (const path of ["quic", "websocket"] as const) {
      Object.assign(world.paths[path], { dial: "open", latency: 2 });
    }
    if (!world.up) world.start();
    const isQuiet = () =>
      devices.every(({ provider, client, text }) =>
        provider.synced && client.manager.pending === 0 && text === devices[0]!.text
      );
    await world.until(isQuiet, PATIENCE, 100);
    const marker = "|end|";
    devices[0]!.edit(0, marker, 0);
    // Once everybody has the last change they have all of them.
    await world.until(() => devices.every(({ text }) => text.includes(marker)) && isQuiet(), PATIENCE, 50);
    return { texts: devices.map(({ text }) => text), world, devices };
  } finally {
    for (const device of devices) await device.close();
  }
}

/**
 * Validates: after cuts, kills, moves and reloads every device has the same text, with nothing of anybody's missing.
 */
Deno.test("Feature: quic-transport, Property 42: Yjs clients converge whatever happens to network and service", async () => {
  let compactions = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 3, max: 5 }),
      fc.array(step, { minLength: 5, maxLength: 50 }),
      fc.integer({ min: 2, max: 12 }),
      async (count, steps, compactAfter) => {
        const { texts, world, devices } = await live(count, steps, { compactAfter });
        for (const text of texts) assert.equal(text, texts[0]);
        assert.equal(serverText(world), texts[0]);
        for (const { compacted } of devices) compactions += compacted;
      },
    ),
    { numRuns: 120 },
  );
  assert.ok(compactions > 20, "snapshots were made meanwhile");
});

/** Validates: the same with encryption, and no text is in what the engine keeps. */
Deno.test("Feature: quic-transport, Property 43: encrypted documents converge, and the server cannot read them", async () => {
  const key = await DocumentKey.generate();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 15 }), async (steps) => {
      const { texts, world } = await live(3, steps, { compactAfter: 5, key });
      for (const text of texts) assert.equal(text, texts[0]);
      for (const { payload } of world.engine.log.read(DOC, { limit: 1e6 }).records) {
        assert.ok(!new TextDecoder("latin1").decode(payload.data as Uint8Array).includes("|end|"));
      }
    }),
    { numRuns: 100 },
  );
});

/** Hooks and the ends of streamed messages. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { DEFAULT_NAMESPACE, type EndedPublication, type Hub } from "../../src/hub/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { makeHub } from "../hub/support.ts";
import { FakeClock } from "../support/clock.ts";

const channel = "chat:a";

function place() {
  const clock = new FakeClock();
  const engine = new MemoryEngine({ clock });
  const { hub } = makeHub({
    engine,
    clock,
    namespace: () => ({ ...DEFAULT_NAMESPACE, streamPatience: 1000 }),
  });
  const told: unknown[] = [];
  const ended = ({ id, from, payload, final, origin, depth }: EndedPublication, offset: number) =>
    void told.push([offset, id, from, payload.text, final, origin, depth]);
  hub.addHook({ name: "listener", ended: (message, { offset }) => ended(message, offset) });
  return { clock, engine, hub, told };
}

async function begin(hub: Hub, id: string): Promise<number> {
  const request = { channel, id, payload: { text: "", stream: "open" } } as const;
  return (await hub.publish({ origin: "api", from: "ann", ...request })).offset;
}

const piece = (target: number, at: number, content: string, end?: "ended" | "failed") => ({
  target,
  from: "ann",
  at,
  content,
  end,
});

Deno.test("append: hooks are told of a streamed message once more when it is over, whole", async () => {
  const { clock, engine, hub, told } = place();
  const first = await begin(hub, "first");
  await hub.append(channel, piece(first, 0, "all of "), "api");
  assert.deepEqual(told, []);
  await hub.append(channel, piece(first, 7, "it", "ended"), "function", 3);
  const second = await begin(hub, "second");
  await hub.append(channel, piece(second, 0, "only this", "failed"), "api");
  const third = await begin(hub, "third");
  await hub.append(channel, piece(third, 0, "and then"), "api");
  await clock.advance(2000);
  engine.sweep();
  await clock.advance(0);
  assert.deepEqual(told, [
    [first, "first", "ann", "all of it", "ended", "function", 3],
    [second, "second", "ann", "only this", "failed", "api", 0],
    [third, "third", "ann", "and then", "interrupted", "service", 0],
  ]);
});

Deno.test("append: an end is acknowledged once the hooks that are awaited know it, and is told again when repeated", async () => {
  const { hub } = place();
  const told: boolean[] = [];
  let isDown = true;
  hub.addHook({
    name: "keeper",
    awaited: true,
    ended: async (_message, { duplicate }) => {
      told.push(duplicate);
      await Promise.resolve();
      if (isDown) throw new ProtocolError("not_available");
    },
  });
  const target = await begin(hub, "first");
  await assert.rejects(hub.append(channel, piece(target, 0, "all", "ended"), "api"), {
    error: "not_available",
  });
  isDown = false;
  assert.equal(await hub.append(channel, piece(target, 0, "all", "ended"), "api"), 3);
  assert.deepEqual(told, [false, true]);
});

Deno.test("append: what a hook refuses is told as failed", async () => {
  const { hub, told } = place();
  hub.addHook({
    name: "judge",
    beforePiece: () => {
      throw new ProtocolError("permission_denied", "not here");
    },
  });
  const target = await begin(hub, "first");
  await assert.rejects(hub.append(channel, piece(target, 0, "bad"), "api"), { error: "permission_denied" });
  assert.deepEqual(told, [[target, "first", "ann", "", "failed", "api", 0]]);
});

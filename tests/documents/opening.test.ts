/** Documents that cannot be opened: nothing of the attempt stays. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { Service } from "../handlers/support.ts";
import { join, makeHub } from "../hub/support.ts";
import { op } from "./support.ts";

const DOC = "doc:plan";

/** A service whose values cannot be read while `broken.is` says so. */
function breakable() {
  const broken = { is: false };
  const engine = new MemoryEngine();
  const values = Object.assign(Object.create(engine.values), {
    get: (...args: Parameters<typeof engine.values.get>) => {
      if (broken.is) throw new Error("the store is away");
      return engine.values.get(...args);
    },
  });
  const made = makeHub({ engine: Object.assign(Object.create(engine), { values }) });
  return { broken, service: new Service({}, made), hub: made.hub };
}

Deno.test("documents: one that could not be opened is not open", async () => {
  const { broken, service, hub } = breakable();
  const ann = await join(hub, "ann", "ann"), bob = await join(hub, "bob", "bob");
  await service.say(bob, "doc_open", { channel: DOC });
  await service.say(bob, "doc_op", op(DOC, "one"));
  broken.is = true;
  const since = { epoch: "another", offset: 0 };
  await assert.rejects(service.say(ann, "doc_open", { channel: DOC, since }));
  assert.equal(hub.isOn(ann, DOC), false);
  assert.deepEqual((await hub.presence(DOC)).map(({ userId }) => userId), ["bob"]);
  // Whoever subscribes to it then is sent what comes.
  await service.say(ann, "subscribe", { channel: DOC });
  broken.is = false;
  await service.say(bob, "doc_op", op(DOC, "two"));
  assert.deepEqual(ann.of("doc_op").map(({ payload }) => payload.offset), [2]);
});

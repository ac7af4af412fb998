/** What keeps messages in order and single when some are refused, or their acknowledgements are lost. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Right } from "../../src/protocol/mod.ts";
import { join, makeHub, principal } from "../hub/support.ts";
import { Service } from "./support.ts";

Deno.test("order: a message whose predecessor was refused is refused, until the sender begins anew", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  const publish = (id: string, after?: string) =>
    service.say(
      ann,
      "chat_message",
      after === undefined ? { channel: "chat:a", text: id } : {
        channel: "chat:a",
        text: id,
        after,
      },
      { id },
    );
  await publish("m1", "");
  await publish("m2", "m1");
  // m3 was refused somewhere before it came here.
  for (const [id, after] of [["m4", "m3"], ["m5", "m4"]]) {
    await assert.rejects(publish(id!, after), { error: "out_of_order" });
  }
  await publish("m3", "");
  await publish("m4", "m3");
  // Other channels and senders who do not say what they sent before are no concern.
  await service.say(ann, "chat_message", { channel: "chat:b", text: "x", after: "" }, { id: "b1" });
  await publish("m6");
  await publish("m5", "m4");
  const { records } = await service.hub.history("chat:a", {});
  assert.deepEqual(records.map(({ id }) => id), ["m1", "m2", "m3", "m4", "m6", "m5"]);
  assert.ok(records.every(({ payload }) => !("after" in payload)), "it is not kept");
});

Deno.test("order: a message that the hub refuses holds up what was sent behind it", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  const say = (type: string, payload: Record<string, unknown>, id: string) =>
    service.say(ann, type, { channel: "chat:a", ...payload }, { id });
  await say("chat_message", { text: "1", after: "" }, "m1");
  await assert.rejects(say("chat_delete", { target: 99, after: "m1" }, "m2"), { error: "unknown_message" });
  await assert.rejects(say("chat_message", { text: "3", after: "m2" }, "m3"), { error: "out_of_order" });
  await say("chat_edit", { target: 1, text: "one", after: "m1" }, "m4");
  await say("chat_message", { text: "3", after: "m4" }, "m3");
});

Deno.test("order: each kind of published message may say what was sent before, and nothing else than an id", async () => {
  const service = new Service();
  const ann = await join(
    service.hub,
    "s1",
    principal("ann", { rights: new Set<Right>(["broadcast", "direct_message"]) }),
  );
  const said = [
    ["chat_message", { channel: "chat:a", text: "x" }],
    ["direct_message", { to: "bob", text: "x" }],
    ["broadcast", { text: "x" }],
  ] as const;
  for (const [type, payload] of said) {
    await service.say(ann, type, { ...payload, after: "" }, { id: `${type}1` });
    await service.say(ann, type, { ...payload, after: `${type}1` }, { id: `${type}2` });
    await assert.rejects(service.say(ann, type, { ...payload, after: `${type}1` }), {
      error: "out_of_order",
    });
    for (const after of [7, null, "x".repeat(65)]) {
      await assert.rejects(service.say(ann, type, { ...payload, after }), { error: "bad_payload" });
    }
  }
});

Deno.test("settle: tells which of one's own messages a channel keeps", async () => {
  const made = makeHub();
  const service = new Service({}, made);
  const ann = await join(service.hub, "s1", "ann");
  const bob = await join(service.hub, "s2", "bob");
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 700 }),
      fc.uniqueArray(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 40 }),
      async (count, asked) => {
        const run = runs++;
        const channel = `chat:${run}`;
        for (let i = 0; i < count; i++) {
          await service.say(i % 3 === 0 ? bob : ann, "chat_message", { channel, text: "x" }, {
            id: `${run}-${i}`,
          });
        }
        const ids = asked.map((i) => `${run}-${i}`);
        const [answer] = await service.say(ann, "settle", { channel, ids });
        const { messages } = answer!.payload as { messages: { id: string; offset: number }[] };
        assert.deepEqual(
          messages.map(({ id, offset }) => [id, offset]).sort(),
          asked.filter((i) => i < count && i % 3 !== 0).map((i) => [`${run}-${i}`, i + 1]).sort(),
        );
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("settle: asks for 1 to 256 ids of a channel", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  const many = Array.from({ length: 257 }, (_, i) => `m${i}`);
  for (
    const payload of [{ channel: "chat:a" }, { channel: "chat:a", ids: [] }, { channel: "chat:a", ids: many }]
  ) {
    await assert.rejects(service.say(ann, "settle", payload), { error: "bad_payload" });
  }
  const [answer] = await service.say(ann, "settle", { channel: "user:bob", ids: many.slice(1) });
  assert.deepEqual(answer!.payload.messages, []);
});

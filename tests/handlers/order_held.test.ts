/** What keeps the order of messages while hooks hold some of them. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { join } from "../hub/support.ts";
import { Service } from "./support.ts";

Deno.test("order: a message is refused when the one before it is refused while both are held", async () => {
  const service = new Service();
  const answers = new Map<string, PromiseWithResolvers<void>>();
  service.hub.addHook({
    name: "judge",
    before: ({ id }) => answers.get(id)?.promise,
  });
  const ann = await join(service.hub, "s1", "ann");
  const publish = (id: string, after: string) =>
    service.say(ann, "chat_message", { channel: "chat:a", text: id, after }, { id });
  answers.set("m2", Promise.withResolvers());
  await publish("m1", "");
  const second = publish("m2", "m1"), third = publish("m3", "m2"), fourth = publish("m4", "m3");
  const refused = Promise.all([
    assert.rejects(second, { error: "not_available" }),
    assert.rejects(third, { error: "out_of_order" }),
    assert.rejects(fourth, { error: "out_of_order" }),
  ]);
  answers.get("m2")!.reject(new ProtocolError("not_available"));
  await refused;
  answers.clear();
  await publish("m2", "");
  await publish("m3", "m2");
  await publish("m4", "m3");
  const { records } = await service.hub.history("chat:a", {});
  assert.deepEqual(records.map(({ id }) => id), ["m1", "m2", "m3", "m4"]);
});

Deno.test("order: messages are kept in the order they were sent, whatever hooks refuse and however late", async () => {
  const service = new Service();
  let answerOf = (_id: string): Promise<void> | undefined => undefined;
  service.hub.addHook({ name: "judge", before: ({ id }) => answerOf(id) });
  const ann = await join(service.hub, "s1", "ann");
  let run = 0;
  const verdict = fc.record({ held: fc.boolean(), refused: fc.boolean(), turn: fc.nat(1000) });
  await fc.assert(
    fc.asyncProperty(fc.array(verdict, { minLength: 2, maxLength: 12 }), async (verdicts) => {
      const channel = `chat:${run++}`;
      const ids = verdicts.map((_, at) => `${channel}-${at}`);
      const send = (wanted: readonly string[]) =>
        wanted.map((id, at) =>
          service.say(ann, "chat_message", { channel, text: id, after: wanted[at - 1] ?? "" }, { id })
        );
      const waiting: { turn: number; answer: () => void }[] = [];
      answerOf = (id) => {
        const { held, refused, turn } = verdicts[ids.indexOf(id)]!;
        const refusal = new ProtocolError("not_available");
        if (!held && refused) throw refusal;
        if (!held) return undefined;
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        waiting.push({ turn, answer: () => refused ? reject(refusal) : resolve() });
        return promise;
      };
      const outcomes = Promise.allSettled(send(ids));
      for (const { answer } of waiting.sort((a, b) => a.turn - b.turn)) {
        answer();
        await new Promise((resolve) => setTimeout(resolve));
      }
      const refused = (await outcomes).flatMap(({ status }, at) => status === "rejected" ? [ids[at]!] : []);
      answerOf = () => undefined;
      await Promise.all(send(refused));
      const { records } = await service.hub.history(channel, {});
      assert.deepEqual(records.map(({ id }) => id), ids);
    }),
    { numRuns: 100 },
  );
});

/** Receipts of direct messages, through the handlers. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError, type Right } from "../../src/protocol/mod.ts";
import { FakeClient, join, principal } from "../hub/support.ts";
import { Service } from "./support.ts";

const SENDER = { rights: new Set<Right>(["direct_message"]) };
const INBOX = "user:bob";

async function people() {
  const service = new Service();
  const ann = await join(service.hub, "s1", principal("ann", SENDER));
  const phone = await join(service.hub, "s2", "bob");
  const desk = await join(service.hub, "s3", "bob");
  const { epoch } = await service.hub.position(INBOX);
  const received = (client: FakeClient, ...offsets: number[]) =>
    service.say(client, "received", { channel: INBOX, epoch, offsets });
  return { service, ann, phone, desk, epoch, received };
}

Deno.test("receipts: the sender is told once when the first device has taken the message", async () => {
  const { service, ann, phone, desk, epoch, received } = await people();
  await service.say(ann, "direct_message", { to: "bob", text: "a", receipt: true }, { id: "m1" });
  assert.equal(phone.of("direct_message")[0]!.payload.receipt, true);
  // Sent to every device, and taken by none.
  assert.deepEqual(ann.of("delivered"), []);
  const [answer] = await received(desk, 1);
  assert.equal(answer!.type, "received_response");
  await received(phone, 1);
  await received(desk, 1, 1);
  assert.deepEqual(ann.of("delivered").map(({ payload }) => payload), [{
    channel: "user:ann",
    from: "bob",
    to: "bob",
    message: "m1",
    target: 1,
    epoch,
    offset: 1,
    prev: 0,
  }]);
});

Deno.test("receipts: two devices at once tell it once", async () => {
  const { service, ann, phone, desk, received } = await people();
  await service.say(ann, "direct_message", { to: "bob", text: "a", receipt: true });
  await Promise.all([received(phone, 1), received(desk, 1)]);
  assert.equal(ann.of("delivered").length, 1);
});

Deno.test("receipts: a message that asked for none, or is not there, gives none", async () => {
  const { service, ann, phone, received } = await people();
  await service.say(ann, "direct_message", { to: "bob", text: "a" });
  await service.say(ann, "direct_message", { to: "bob", text: "b", receipt: false });
  await received(phone, 1, 2, 3, 999);
  assert.deepEqual(ann.of("delivered"), []);
});

Deno.test("receipts: nobody confirms for another user, or in another epoch", async () => {
  const { service, ann, phone, epoch } = await people();
  await service.say(ann, "direct_message", { to: "bob", text: "a", receipt: true });
  const refused = (name: string) => (error: unknown) =>
    error instanceof ProtocolError && error.error === name;
  const of = (client: FakeClient, channel: string, epoch: string) =>
    service.say(client, "received", { channel, epoch, offsets: [1] });
  await assert.rejects(of(ann, INBOX, epoch), refused("permission_denied"));
  await assert.rejects(of(phone, INBOX, "another"), refused("wrong_epoch"));
  assert.deepEqual(ann.of("delivered"), []);
});

Deno.test("receipts: a sender who is away finds the receipt where its session goes on", async () => {
  const { service, ann, phone, received } = await people();
  await service.say(ann, "direct_message", { to: "bob", text: "a", receipt: true });
  const { epoch, offset } = await service.hub.position("user:ann");
  service.hub.detach(ann);
  await received(phone, 1);
  assert.deepEqual(ann.of("delivered"), []);
  const again = new FakeClient("s1", principal("ann", SENDER), "s1-2");
  (await service.hub.attach(again, { "user:ann": { epoch, offset } })).start();
  assert.equal(again.of("delivered").length, 1);
});

Deno.test("receipts: a message to oneself gives a receipt", async () => {
  const { service, ann } = await people();
  await service.say(ann, "direct_message", { to: "ann", text: "note", receipt: true }, { id: "m1" });
  const { epoch } = await service.hub.position("user:ann");
  await service.say(ann, "received", { channel: "user:ann", epoch, offsets: [1] });
  assert.deepEqual(ann.of("delivered").map(({ payload }) => payload.message), ["m1"]);
});

Deno.test("receipts: a client may not make one", async () => {
  const { service, phone } = await people();
  await assert.rejects(
    service.say(phone, "delivered", { channel: "user:ann", to: "bob", message: "m1" }),
    (error) => error instanceof ProtocolError && error.error === "unknown_type",
  );
});

/** Validates: whoever takes which messages how often and in what order, each sender gets one receipt for each. */
Deno.test("Feature: quic-transport, Property 72: a message that asked for a receipt gets one when it was taken", async () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("send" as const), receipt: fc.boolean() }),
      fc.record({
        kind: fc.constant("take" as const),
        device: fc.constantFrom(0, 1),
        offsets: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 }),
      }),
    ),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      const { service, ann, phone, desk, received } = await people();
      const sent: boolean[] = [], expected = new Set<number>();
      for (const step of steps) {
        if (step.kind === "send") {
          sent.push(step.receipt);
          await service.say(ann, "direct_message", { to: "bob", text: "a", receipt: step.receipt });
          continue;
        }
        await received([phone, desk][step.device]!, ...step.offsets);
        for (const offset of step.offsets) if (sent[offset - 1] === true) expected.add(offset);
      }
      const told = ann.of("delivered").map(({ payload }) => payload.target as number);
      assert.deepEqual(told.toSorted((a, b) => a - b), [...expected].toSorted((a, b) => a - b));
    }),
    { numRuns: 100 },
  );
});

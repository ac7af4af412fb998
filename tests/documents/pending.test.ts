import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { DEFAULT_NAMESPACE } from "../../src/hub/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { Service } from "../handlers/support.ts";
import { FakeClock } from "../support/clock.ts";
import { join, makeHub, principal } from "../hub/support.ts";
import { op as opOf, refusal } from "./support.ts";

const DOC = "doc:plan";

Deno.test("documents: operations that could not be committed do not count against the bound", async () => {
  const engine = new MemoryEngine();
  const namespace = () => DEFAULT_NAMESPACE;
  const limits = { maxPending: 1000, maxSnapshot: 1000 };
  const service = new Service({ documents: () => limits }, makeHub({ engine, namespace }));
  const ann = await join(service.hub, "s1", "ann");
  const commit = engine.log.publish.bind(engine.log);
  for (
    const fails of [() => {
      throw new ProtocolError("not_available");
    }, () => Promise.reject(new ProtocolError("not_available"))]
  ) {
    engine.log.publish = fails as never;
    for (let i = 0; i < 5; i++) {
      await assert.rejects(
        service.say(ann, "doc_op", opOf(DOC, "a".repeat(300)), { id: "o1" }),
        refusal("not_available"),
      );
    }
  }
  // What comes after it waits for it.
  engine.log.publish = commit;
  await assert.rejects(service.say(ann, "doc_op", opOf(DOC, "b"), { id: "o2" }), refusal("doc_out_of_order"));
  await service.say(ann, "doc_op", opOf(DOC, "a".repeat(300)), { id: "o1" });
  await service.say(ann, "doc_op", opOf(DOC, "b"), { id: "o2" });
});

Deno.test("documents: an operation that is refused for good holds no other up", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  await service.say(ann, "doc_op", { ...opOf(DOC, "first"), checksum: 1 }, { id: "o1" });
  ann.principal = principal("ann", { publish: [] });
  await assert.rejects(
    service.say(ann, "doc_op", opOf(DOC, "first"), { id: "o1" }),
    refusal("permission_denied"),
  );
  ann.principal = principal("ann");
  await service.say(ann, "doc_op", opOf(DOC, "second"), { id: "o2" });
});

/** Operations in parts of 100 bytes, with a clock that the test moves. */
function inParts(maxPending = 2000) {
  const engine = new MemoryEngine();
  const namespace = () => DEFAULT_NAMESPACE;
  const clock = new FakeClock();
  const make = () => {
    const limits = { maxPending, maxSnapshot: 10_000 };
    return new Service({ documents: () => limits, clock }, makeHub({ engine, namespace }));
  };
  const part = (index: number, count: number, op = "big") => ({
    ...opOf(DOC, String(index % 10).repeat(100)),
    part: { op, index, count },
  });
  const types = () => engine.log.read(DOC).records.map(({ type, payload }) => [type, payload.op ?? ""]);
  return { service: make(), restarted: make, part, types, pass: (ms: number) => clock.sleep(ms) };
}

Deno.test("documents: the first part of an operation gets room for all of them, or none", async () => {
  const { service, part } = inParts();
  const ann = await join(service.hub, "s1", "ann"), bob = await join(service.hub, "s2", "bob");
  await service.say(ann, "doc_op", part(0, 5), { id: "p0" });
  // Five parts of 300 bytes are 1,500. Of the rest there is enough for a small one.
  await assert.rejects(service.say(bob, "doc_op", part(0, 3, "other"), { id: "b0" }), refusal("doc_full"));
  await assert.rejects(
    service.say(bob, "doc_op", opOf(DOC, "x".repeat(600)), { id: "b0" }),
    refusal("doc_full"),
  );
  await service.say(bob, "doc_op", opOf(DOC, "x".repeat(100)), { id: "b0" });
  for (let index = 1; index < 5; index++) {
    await service.say(ann, "doc_op", part(index, 5), { id: `p${index}` });
  }
  await assert.rejects(service.say(ann, "doc_op", opOf(DOC, "x".repeat(300))), refusal("doc_full"));
});

Deno.test("documents: parts that follow a first part for which there is no room are refused with it", async () => {
  const { service, part, types } = inParts();
  const ann = await join(service.hub, "s1", "ann");
  await service.say(ann, "doc_op", opOf(DOC, "x".repeat(1200)));
  // All of them come at once. One other part would fit, but without the first it is nothing.
  const said = [0, 1, 2].map((index) => service.say(ann, "doc_op", part(index, 3), { id: `p${index}` }));
  await Promise.allSettled(said);
  await assert.rejects(said[0]!, refusal("doc_full"));
  for (const later of said.slice(1)) await assert.rejects(later, refusal("doc_out_of_order"));
  assert.equal(types().length, 1);
});

Deno.test("documents: an operation that can never fit is refused for good, with all its parts", async () => {
  const { service, part, types } = inParts();
  const ann = await join(service.hub, "s1", "ann");
  await assert.rejects(service.say(ann, "doc_op", part(0, 8)), refusal("doc_op_too_large"));
  await assert.rejects(service.say(ann, "doc_op", part(1, 8)), refusal("doc_op_given_up"));
  await assert.rejects(service.say(ann, "doc_op", opOf(DOC, "x".repeat(2001))), refusal("doc_op_too_large"));
  assert.deepEqual(types(), []);
  await service.say(ann, "doc_op", part(0, 6, "smaller"));
});

Deno.test("documents: an operation of which no more comes is given up, and everybody is told", async () => {
  const { service, part, types, pass } = inParts();
  const ann = await join(service.hub, "s1", "ann"), bob = await join(service.hub, "s2", "bob");
  await service.say(bob, "doc_open", { channel: DOC });
  await service.say(ann, "doc_op", part(0, 6));
  pass(29_000);
  const full = () => service.say(bob, "doc_op", opOf(DOC, "x".repeat(500)), { id: "b0" });
  await assert.rejects(full(), refusal("doc_full"));
  assert.deepEqual(types(), [["doc_op", ""]]);
  pass(1000);
  await assert.rejects(full(), refusal("doc_full"));
  await full();
  assert.deepEqual(types(), [["doc_op", ""], ["doc_op_given_up", "big"], ["doc_op", ""]]);
  const [told] = bob.of("doc_op_given_up");
  assert.deepEqual(told!.payload, { channel: DOC, from: "ann", op: "big", offset: 2, prev: 1 });
  await assert.rejects(service.say(ann, "doc_op", part(1, 6)), refusal("doc_op_given_up"));
  await service.say(ann, "doc_op", part(0, 2, "again"));
});

Deno.test("documents: an operation that goes on is not given up, nor one that waits while there is room", async () => {
  const { service, part, types, pass } = inParts(10_000);
  const ann = await join(service.hub, "s1", "ann");
  for (let index = 0; index < 3; index++) {
    await service.say(ann, "doc_op", part(index, 4), { id: `p${index}` });
    pass(500_000);
    await service.say(ann, "doc_op", opOf(DOC, "x"));
  }
  await service.say(ann, "doc_op", part(3, 4), { id: "p3" });
  pass(1_000_000);
  await service.say(ann, "doc_op", opOf(DOC, "y"));
  assert.equal(types().some(([type]) => type === "doc_op_given_up"), false);
});

Deno.test("documents: after a restart room is still reserved, and orphaned parts are given up", async () => {
  const { service, restarted, part, types, pass } = inParts();
  const ann = await join(service.hub, "s1", "ann");
  await service.say(ann, "doc_op", part(0, 6));
  await service.say(ann, "doc_op", part(1, 6));
  const next = restarted();
  const bob = await join(next.hub, "s2", "bob");
  const large = () => next.say(bob, "doc_op", opOf(DOC, "x".repeat(500)), { id: "b0" });
  await assert.rejects(large(), refusal("doc_full"));
  pass(30_000);
  await assert.rejects(large(), refusal("doc_full"));
  await large();
  assert.deepEqual(types().map(([type]) => type), ["doc_op", "doc_op", "doc_op_given_up", "doc_op"]);
});

Deno.test("documents: a first part that is not committed, or sent again, reserves nothing", async () => {
  const engine = new MemoryEngine();
  const limits = { maxPending: 2000, maxSnapshot: 1000 };
  const service = new Service(
    { documents: () => limits },
    makeHub({ engine, namespace: () => DEFAULT_NAMESPACE }),
  );
  const ann = await join(service.hub, "s1", "ann");
  const first = { ...opOf(DOC, "a".repeat(100)), part: { op: "big", index: 0, count: 2 } };
  const last = { ...opOf(DOC, "b".repeat(100)), part: { op: "big", index: 1, count: 2 } };
  const commit = engine.log.publish.bind(engine.log);
  engine.log.publish = () => {
    throw new ProtocolError("not_available");
  };
  await assert.rejects(service.say(ann, "doc_op", first, { id: "p0" }), refusal("not_available"));
  engine.log.publish = commit;
  for (let i = 0; i < 5; i++) await service.say(ann, "doc_op", first, { id: "p0" });
  await service.say(ann, "doc_op", last, { id: "p1" });
  for (let i = 0; i < 5; i++) await service.say(ann, "doc_op", first, { id: "p0" });
  // Two parts of 300 bytes with what is around them; of 2,000 there are 1,400 left.
  await service.say(ann, "doc_op", opOf(DOC, "c".repeat(1200)));
});

Deno.test("documents: an operation that comes again while the document is full is a duplicate", async () => {
  const { service } = inParts();
  const ann = await join(service.hub, "s1", "ann");
  const op = (id: string) => service.say(ann, "doc_op", opOf(DOC, "x".repeat(600)), { id });
  const first = await op("o1");
  await op("o2");
  // Its acknowledgements were lost with the connection.
  ann.end();
  const back = await join(service.hub, "s1", "ann");
  for (const id of ["o1", "o2", "o1"]) {
    const [again] = await service.say(back, "doc_op", opOf(DOC, "x".repeat(600)), { id });
    const offset = id === "o1" ? 1 : 2;
    assert.deepEqual(again!.payload, { ...first[0]!.payload, offset, duplicate: true });
  }
  // The id of somebody else's operation says nothing of one's own.
  const bob = await join(service.hub, "s2", "bob");
  const others = service.say(bob, "doc_op", opOf(DOC, "x".repeat(600)), { id: "o1" });
  await assert.rejects(others, refusal("doc_full"));
  const fresh = service.say(back, "doc_op", opOf(DOC, "x".repeat(600)), { id: "o3" });
  await assert.rejects(fresh, refusal("doc_full"));
});

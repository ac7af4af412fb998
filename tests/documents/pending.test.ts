import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { DEFAULT_NAMESPACE } from "../../src/hub/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { Service } from "../handlers/support.ts";
import { join, makeHub, principal } from "../hub/support.ts";
import { op, refusal } from "./support.ts";

const DOC = "doc:plan";

Deno.test("documents: operations that could not be committed do not count against the bound", async () => {
  const engine = new MemoryEngine();
  const namespace = () => DEFAULT_NAMESPACE;
  const limits = { maxPending: 1000, maxSnapshot: 1000 };
  const service = new Service({ documents: () => limits }, makeHub({ engine, namespace }));
  const ann = await join(service.hub, "s1", "ann");
  const commit = engine.publish.bind(engine);
  for (
    const fails of [() => {
      throw new ProtocolError("not_available");
    }, () => Promise.reject(new ProtocolError("not_available"))]
  ) {
    engine.publish = fails as never;
    for (let i = 0; i < 5; i++) {
      await assert.rejects(
        service.say(ann, "doc_op", op(DOC, "a".repeat(300)), { id: "o1" }),
        refusal("not_available"),
      );
    }
  }
  // What comes after it waits for it.
  engine.publish = commit;
  await assert.rejects(service.say(ann, "doc_op", op(DOC, "b"), { id: "o2" }), refusal("doc_out_of_order"));
  await service.say(ann, "doc_op", op(DOC, "a".repeat(300)), { id: "o1" });
  await service.say(ann, "doc_op", op(DOC, "b"), { id: "o2" });
});

Deno.test("documents: an operation that is refused for good holds no other up", async () => {
  const service = new Service();
  const ann = await join(service.hub, "s1", "ann");
  await service.say(ann, "doc_op", { ...op(DOC, "first"), checksum: 1 }, { id: "o1" });
  ann.principal = principal("ann", { publish: [] });
  await assert.rejects(
    service.say(ann, "doc_op", op(DOC, "first"), { id: "o1" }),
    refusal("permission_denied"),
  );
  ann.principal = principal("ann");
  await service.say(ann, "doc_op", op(DOC, "second"), { id: "o2" });
});

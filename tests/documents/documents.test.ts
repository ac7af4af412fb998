import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import fc from "fast-check";
import { DEFAULT_NAMESPACE } from "../../src/hub/mod.ts";
import { crc32 } from "../../src/protocol/mod.ts";
import { FakeClock } from "../support/clock.ts";
import { type FakeClient, join, makeHub, principal } from "../hub/support.ts";
import { Service } from "../handlers/support.ts";
import { bytes, only, op, refusal, textOf } from "./support.ts";

const DOC = "doc:plan";

/** A service whose documents keep `tail` operations that a snapshot covers. */
function make(
  tail = 1000,
  limits = { maxPending: 8_388_608, maxSnapshot: 16_777_216 },
  maxMessage = 65_536,
  engine = new MemoryEngine(),
): Service {
  const namespace = () => ({ ...DEFAULT_NAMESPACE, retention: { size: tail, age: 1 } });
  return new Service({ documents: () => limits, maxMessage }, makeHub({ engine, namespace }));
}

async function write(service: Service, client: FakeClient, ...texts: string[]): Promise<number> {
  let offset = 0;
  for (const text of texts) {
    const ack = only(await service.say(client, "doc_op", op(DOC, text)));
    assert.equal(ack.type, "message_ack");
    offset = ack.payload.offset as number;
  }
  return offset;
}

async function open(service: Service, client: FakeClient, since?: { epoch: unknown; offset: number }) {
  client.clear();
  const payload = since === undefined ? { channel: DOC } : { channel: DOC, since };
  return only(await service.say(client, "doc_open", payload, { lane: 300 })).payload;
}

async function snapshot(
  service: Service,
  client: FakeClient,
  epoch: unknown,
  offset: number,
  text: string,
  parts = 1,
) {
  const data = bytes(text), size = Math.ceil(data.length / parts);
  let last;
  for (let part = 0; part < parts; part++) {
    const piece = data.subarray(part * size, (part + 1) * size);
    const payload = { channel: DOC, epoch, offset, part, parts, data: piece, checksum: crc32(piece) };
    last = only(await service.say(client, "doc_snapshot", payload)).payload;
    // Said with the first part when that is known already: the others need not be sent.
    if (last.kept === false) break;
  }
  return last!;
}

function texts(client: FakeClient): string[] {
  return client.of("doc_op").map(({ payload }) => textOf(payload.data));
}

Deno.test("documents: operations reach everybody who has the document open, in order and as they were", async () => {
  const service = make();
  const ann = await join(service.hub, "s1", "ann"), bob = await join(service.hub, "s2", "bob");
  await open(service, ann);
  const opened = await open(service, bob);
  assert.deepEqual(opened, { channel: DOC, epoch: opened.epoch, offset: 0, start: 0, recovered: false });
  await write(service, ann, "a", "b", "c");
  for (const client of [ann, bob]) assert.deepEqual(texts(client), ["a", "b", "c"]);
  const [, second] = bob.of("doc_op");
  assert.deepEqual({ ...second!.payload, data: textOf(second!.payload.data) }, {
    channel: DOC,
    from: "ann",
    data: "b",
    checksum: crc32(bytes("b")),
    offset: 2,
    prev: 1,
  });
  assert.equal(bob.sent.find(({ message }) => message.type === "doc_op")!.lane, 300);
});

Deno.test("documents: opening without an offset gives all of a document, opening with one what was missed", async () => {
  const service = make();
  const ann = await join(service.hub, "s1", "ann"), bob = await join(service.hub, "s2", "bob");
  await write(service, ann, "a", "b", "c");
  const { epoch } = await open(service, bob);
  assert.deepEqual(texts(bob), ["a", "b", "c"]);
  await service.say(bob, "doc_close", { channel: DOC });
  await write(service, ann, "d");
  const again = await open(service, bob, { epoch, offset: 3 });
  assert.deepEqual([again.recovered, again.start, again.offset], [true, 3, 4]);
  assert.deepEqual(texts(bob), ["d"]);
});

Deno.test("documents: an operation with a wrong checksum is asked for again, and later ones wait for it", async () => {
  const service = make();
  const ann = await join(service.hub, "s1", "ann");
  await open(service, ann);
  const broken = { ...op(DOC, "first"), checksum: 1 };
  const nack = only(await service.say(ann, "doc_op", broken, { id: "o1" }));
  assert.deepEqual([nack.type, nack.re, nack.payload], ["doc_nack", "o1", {
    channel: DOC,
    reason: "checksum",
  }]);
  await assert.rejects(
    service.say(ann, "doc_op", op(DOC, "second"), { id: "o2" }),
    refusal("doc_out_of_order"),
  );
  await service.say(ann, "doc_op", op(DOC, "first"), { id: "o1" });
  await service.say(ann, "doc_op", op(DOC, "second"), { id: "o2" });
  assert.deepEqual(texts(ann), ["first", "second"]);
});

Deno.test("documents: opening the document anew gives up the operation that was waited for", async () => {
  const service = make();
  const ann = await join(service.hub, "s1", "ann");
  await service.say(ann, "doc_op", { ...op(DOC, "first"), checksum: 1 }, { id: "o1" });
  await open(service, ann);
  await service.say(ann, "doc_op", op(DOC, "second"), { id: "o2" });
  assert.deepEqual(texts(ann), ["second"]);
});

Deno.test("documents: a delivery that came corrupted is sent again when it is asked for", async () => {
  const service = make();
  const ann = await join(service.hub, "s1", "ann");
  const { epoch } = await open(service, ann);
  await write(service, ann, "a", "b");
  ann.clear();
  await service.say(ann, "doc_nack", { channel: DOC, epoch, offset: 1 });
  assert.deepEqual(texts(ann), ["a"]);
  const ask = (payload: Record<string, unknown>) =>
    service.say(ann, "doc_nack", { channel: DOC, ...payload });
  await assert.rejects(ask({ epoch: "other", offset: 1 }), refusal("wrong_epoch"));
  await assert.rejects(ask({ epoch, offset: 3 }), refusal("unknown_offset"));
  await service.say(ann, "doc_close", { channel: DOC });
  await assert.rejects(ask({ epoch, offset: 1 }), refusal("not_subscribed"));
});

Deno.test("documents: an operation that is larger than a lowered limit is not sent again", async () => {
  const engine = new MemoryEngine();
  const before = make(1000, undefined, 65_536, engine);
  const ann = await join(before.hub, "s1", "ann");
  const { epoch } = await open(before, ann);
  await write(before, ann, "x".repeat(10_000));
  const after = make(1000, undefined, 2048, engine);
  const bob = await join(after.hub, "s2", "bob");
  await open(after, bob);
  bob.clear();
  const asked = after.say(bob, "doc_nack", { channel: DOC, epoch, offset: 1 });
  await assert.rejects(asked, refusal("message_too_large"));
  assert.deepEqual(texts(bob), []);
});

Deno.test("documents: an operation sent again with its id has one effect", async () => {
  const service = make();
  const ann = await join(service.hub, "s1", "ann");
  await open(service, ann);
  const first = only(await service.say(ann, "doc_op", op(DOC, "a"), { id: "o1" }));
  const second = only(await service.say(ann, "doc_op", op(DOC, "a"), { id: "o1" }));
  assert.deepEqual(second.payload, { ...first.payload, duplicate: true });
  assert.deepEqual(texts(ann), ["a"]);
});

Deno.test("documents: a snapshot stands for the operations it covers, and those are dropped but for the last ones", async () => {
  const service = make(2);
  const ann = await join(service.hub, "s1", "ann"), bob = await join(service.hub, "s2", "bob");
  const { epoch } = await open(service, ann);
  await write(service, ann, "a", "b", "c", "d", "e");
  assert.equal((await snapshot(service, ann, epoch, 4, "abcd", 3)).kept, true);
  const opened = await open(service, bob);
  assert.deepEqual(opened.snapshot, { offset: 4, size: 4, parts: 1 });
  assert.equal(opened.start, 4);
  assert.deepEqual(bob.of("doc_snapshot").map(({ payload }) => textOf(payload.data)), ["abcd"]);
  assert.deepEqual(texts(bob), ["e"]);
  // The operations 3 and 4 are kept beside it, 1 and 2 are not.
  assert.equal((await open(service, bob, { epoch, offset: 2 })).recovered, true);
  assert.deepEqual(texts(bob), ["c", "d", "e"]);
  const tooFar = await open(service, bob, { epoch, offset: 1 });
  assert.equal(tooFar.recovered, false);
  assert.deepEqual(texts(bob), ["e"]);
  await assert.rejects(
    service.say(bob, "doc_nack", { channel: DOC, epoch, offset: 1 }),
    refusal("unrecoverable_position"),
  );
});

Deno.test("documents: nothing of a document is dropped before a snapshot covers it, however old or many", async () => {
  const clock = new FakeClock();
  const engine = new MemoryEngine({ clock });
  const service = make(1, undefined, undefined, engine);
  const ann = await join(service.hub, "s1", "ann");
  await write(service, ann, ...Array.from({ length: 300 }, (_, i) => `${i}`));
  service.hub.sweep();
  clock.set(Date.now() - clock.wall() + 365 * 86_400_000);
  engine.sweep();
  const bob = await join(service.hub, "s2", "bob");
  await open(service, bob);
  assert.equal(texts(bob).length, 300);
});

Deno.test("documents: a document whose last operation is covered begins with its snapshot", async () => {
  const service = make(0);
  const ann = await join(service.hub, "s1", "ann");
  const { epoch } = await open(service, ann);
  await write(service, ann, "a", "b");
  await snapshot(service, ann, epoch, 2, "ab");
  const opened = await open(service, ann);
  assert.deepEqual([opened.epoch, opened.offset, opened.start], [epoch, 2, 2]);
  assert.deepEqual(texts(ann), []);
  await write(service, ann, "c");
  assert.deepEqual(texts(ann), ["c"]);
});

Deno.test("documents: of two snapshots the one that covers more is kept", async () => {
  const service = make();
  const ann = await join(service.hub, "s1", "ann");
  const { epoch } = await open(service, ann);
  await write(service, ann, "a", "b", "c");
  assert.equal((await snapshot(service, ann, epoch, 3, "abc")).kept, true);
  assert.equal((await snapshot(service, ann, epoch, 2, "ab")).kept, false);
  assert.equal((await snapshot(service, ann, epoch, 3, "other", 2)).kept, false);
  assert.equal((await open(service, ann)).start, 3);
  assert.deepEqual(ann.of("doc_snapshot").map(({ payload }) => textOf(payload.data)), ["abc"]);
});

Deno.test("documents: a snapshot that does not fit one message goes and comes in parts", async () => {
  const service = make(1000, { maxPending: 1e6, maxSnapshot: 1e6 }, 2048);
  const ann = await join(service.hub, "s1", "ann");
  const { epoch } = await open(service, ann);
  await write(service, ann, "a");
  const text = "0123456789".repeat(1000);
  await snapshot(service, ann, epoch, 1, text, 7);
  const opened = await open(service, ann);
  const parts = ann.of("doc_snapshot");
  assert.equal(parts.length, (opened.snapshot as { parts: number }).parts);
  assert.ok(parts.length > 10);
  assert.equal(parts.map(({ payload }) => textOf(payload.data)).join(""), text);
  for (const { payload } of parts) {
    assert.equal(payload.checksum, crc32(Uint8Array.fromBase64(payload.data as string)));
  }
});

Deno.test("documents: what is wrong with a snapshot gets its own error, and nothing of it is kept", async () => {
  const service = make(1000, { maxPending: 1e6, maxSnapshot: 10 });
  const ann = await join(service.hub, "s1", "ann");
  const { epoch } = await open(service, ann);
  await write(service, ann, "a");
  const send = (over: Record<string, unknown>) => {
    const data = (over.data ?? bytes("x")) as Uint8Array;
    const payload = {
      channel: DOC,
      epoch,
      offset: 1,
      part: 0,
      parts: 2,
      data,
      checksum: crc32(data),
      ...over,
    };
    return service.say(ann, "doc_snapshot", payload);
  };
  await assert.rejects(send({ epoch: "other" }), refusal("wrong_epoch"));
  await assert.rejects(send({ offset: 2 }), refusal("unknown_offset"));
  await assert.rejects(send({ offset: 0 }), refusal("unknown_offset"));
  await assert.rejects(send({ checksum: 7 }), refusal("checksum_mismatch"));
  await assert.rejects(send({ part: 1 }), refusal("doc_snapshot_gap"));
  await assert.rejects(send({ data: bytes("12345678901") }), refusal("doc_snapshot_too_large"));
  await assert.rejects(send({ part: 2 }), refusal("bad_payload"));
  await send({});
  await assert.rejects(send({ part: 1, parts: 3 }), refusal("doc_snapshot_gap"));
  await assert.rejects(send({ part: 1, data: bytes("1234567890") }), refusal("doc_snapshot_too_large"));
  await assert.rejects(send({ channel: "chat:a" }), refusal("not_a_document"));
  assert.equal((await open(service, ann)).snapshot, undefined);
});

Deno.test("documents: operations above the bound are refused until a snapshot covers some, and keep their order", async () => {
  const service = make(1000, { maxPending: 1000, maxSnapshot: 1000 });
  const ann = await join(service.hub, "s1", "ann");
  const { epoch } = await open(service, ann);
  const last = await write(service, ann, "a".repeat(300), "b".repeat(300));
  await assert.rejects(
    service.say(ann, "doc_op", op(DOC, "c".repeat(300)), { id: "o3" }),
    refusal("doc_full"),
  );
  // A smaller one would fit, but it comes after the one that was refused.
  await assert.rejects(service.say(ann, "doc_op", op(DOC, "d"), { id: "o4" }), refusal("doc_out_of_order"));
  await snapshot(service, ann, epoch, last, "ab");
  ann.clear();
  await service.say(ann, "doc_op", op(DOC, "c".repeat(300)), { id: "o3" });
  await service.say(ann, "doc_op", op(DOC, "d"), { id: "o4" });
  assert.deepEqual(texts(ann), ["c".repeat(300), "d"]);
});

Deno.test("documents: rights, channels that are no documents, and documents that are not open are told apart", async () => {
  const service = make();
  const eve = await join(service.hub, "s3", principal("eve", { subscribe: ["doc:open"], publish: [] }));
  for (const [type, payload] of [["doc_open", { channel: DOC }], ["doc_op", op(DOC, "x")]] as const) {
    await assert.rejects(service.say(eve, type, payload), refusal("permission_denied"));
  }
  const ann = await join(service.hub, "s1", "ann");
  await assert.rejects(service.say(ann, "doc_open", { channel: "chat:a" }), refusal("not_a_document"));
  await assert.rejects(service.say(ann, "doc_op", op("chat:a", "x")), refusal("not_a_document"));
  await assert.rejects(service.say(ann, "doc_close", { channel: DOC }), refusal("not_subscribed"));
  await assert.rejects(
    service.say(ann, "doc_awareness", { channel: DOC, data: bytes("x") }),
    refusal("not_subscribed"),
  );
  await assert.rejects(
    service.say(ann, "chat_message", { channel: DOC, text: "x" }),
    refusal("not_a_document"),
  );
});

Deno.test("documents: awareness reaches the others on the document as something that may be lost, and is not kept", async () => {
  const service = make();
  const ann = await join(service.hub, "s1", "ann"), bob = await join(service.hub, "s2", "bob");
  await open(service, ann);
  await open(service, bob);
  await service.say(ann, "doc_awareness", { channel: DOC, data: bytes("here") }, { datagram: true });
  const [sent] = bob.sent.filter(({ message }) => message.type === "doc_awareness");
  assert.deepEqual({ ...sent!.message.payload, data: textOf(sent!.message.payload.data) }, {
    channel: DOC,
    from: "ann",
    session: "s1",
    data: "here",
  });
  assert.equal(ann.of("doc_awareness").length, 0);
  assert.equal((await open(service, bob)).offset, 0);
});

Deno.test("documents: history shows operations as base64 in both forms", async () => {
  const service = make();
  const ann = await join(service.hub, "s1", "ann");
  await write(service, ann, "a");
  const { payload } = only(await service.say(ann, "history", { channel: DOC }));
  const [record] = payload.messages as { type: string; data: unknown }[];
  assert.deepEqual([record!.type, record!.data], ["doc_op", bytes("a").toBase64()]);
});

/** Validates: whatever is written, compacted, closed and opened, an opener gets every operation once and in order. */
Deno.test("Feature: quic-transport, Property 40: a document is its newest snapshot and the operations after it", async () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant("write" as const), count: fc.integer({ min: 1, max: 5 }) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("compact" as const), back: fc.nat(6) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("away" as const), since: fc.nat(30) }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.integer({ min: 0, max: 8 }),
      async (steps, tail) => {
        const service = make(tail);
        const ann = await join(service.hub, "s1", "ann"), bob = await join(service.hub, "s2", "bob");
        const { epoch } = await open(service, ann);
        const all: string[] = [];
        const put = (opened: Record<string, unknown>, since: number): string[] => {
          const parts = bob.of("doc_snapshot").map(({ payload }) => textOf(payload.data)).join("");
          const before = opened.recovered === true
            ? all.slice(0, since)
            : parts === ""
            ? []
            : parts.split(",");
          return [...before, ...texts(bob)];
        };
        for (const each of steps) {
          if (each.do === "write") {
            const more = Array.from({ length: each.count }, (_, i) => `${all.length + i}`);
            all.push(...more);
            await write(service, ann, ...more);
          } else if (each.do === "compact") {
            const offset = all.length - each.back;
            if (offset > 0) await snapshot(service, ann, epoch, offset, all.slice(0, offset).join(","), 2);
          } else {
            const since = Math.min(each.since, all.length);
            assert.deepEqual(put(await open(service, bob, { epoch, offset: since }), since), all);
            await service.say(bob, "doc_close", { channel: DOC });
          }
        }
        assert.deepEqual(put(await open(service, bob), 0), all);
      },
    ),
    { numRuns: 150 },
  );
});

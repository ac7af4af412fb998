/** Documents and many clients, or clients that do not read, or that send snapshots and never end them. */

import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { snapshotRoute } from "../../src/handlers/documents_snapshot.ts";
import { checkEnvelope, crc32 } from "../../src/protocol/mod.ts";
import { type FakeClient, join, makeHub } from "../hub/support.ts";
import { Service, type ServiceParts } from "../handlers/support.ts";
import { bytes, op, refusal, textOf } from "./support.ts";

const DOC = "doc:plan";

/** An engine that counts how often it was asked for a snapshot. */
class Counting extends MemoryEngine {
  snapshots = 0;

  constructor() {
    super();
    const { values } = this;
    const get = values.get.bind(values);
    values.get = (key) => {
      if (key.name === "snapshot") this.snapshots++;
      return get(key);
    };
  }
}

/** A document with one operation and a snapshot of it, in messages so small that the snapshot has many parts. */
async function begun(parts: ServiceParts = {}) {
  const engine = new Counting();
  const made = makeHub({ engine });
  const service = new Service({ maxMessage: 1024 + 40, ...parts }, made);
  const ann = await join(made.hub, "ann", "ann");
  await service.say(ann, "doc_op", op(DOC, "x"));
  const data = bytes("a snapshot that has more than one part");
  const { epoch } = await made.hub.position(DOC);
  const snapshot = { channel: DOC, epoch, offset: 1, part: 0, parts: 1, data, checksum: crc32(data) };
  await service.say(ann, "doc_snapshot", snapshot);
  engine.snapshots = 0;
  return { engine, hub: made.hub, service, ann, text: textOf(data) };
}

/** A client that has no room until it is told so. */
async function slow(service: Service, id: string): Promise<{ client: FakeClient; read(): void }> {
  const client = await join(service.hub, id, "bob");
  const room = Promise.withResolvers<void>();
  let isFull = true;
  client.ready = () => isFull ? room.promise : undefined;
  return {
    client,
    read() {
      isFull = false;
      room.resolve();
    },
  };
}

function received(client: FakeClient): string {
  return client.of("doc_snapshot").map(({ payload }) => textOf(payload.data)).join("");
}

Deno.test("snapshots: a thousand clients that open a document at once share its snapshot, however slowly they read", async () => {
  const { engine, service, text } = await begun();
  const crowd = await Promise.all(Array.from({ length: 1000 }, (_, i) => slow(service, `s${i}`)));
  const openings = crowd.map(({ client }) => service.say(client, "doc_open", { channel: DOC }));
  for (let i = 0; i < 10; i++) await Promise.resolve();
  assert.equal(engine.snapshots, 1);
  for (const { read } of crowd) read();
  await Promise.all(openings);
  for (const { client } of crowd) assert.equal(received(client), text);
});

Deno.test("snapshots: a client that comes after a newer snapshot gets it, though an older one is still being sent", async () => {
  const { service, ann, hub, text } = await begun();
  const early = await slow(service, "early");
  const opening = service.say(early.client, "doc_open", { channel: DOC });
  await service.say(ann, "doc_op", op(DOC, "y"));
  const data = bytes("newer");
  const { epoch } = await hub.position(DOC);
  const snapshot = { channel: DOC, epoch, offset: 2, part: 0, parts: 1, data, checksum: crc32(data) };
  await service.say(ann, "doc_snapshot", snapshot);
  const late = await join(hub, "late", "bob");
  await service.say(late, "doc_open", { channel: DOC });
  early.read();
  await opening;
  assert.deepEqual([received(early.client), received(late)], [text, "newer"]);
  assert.deepEqual([early.client.offsets(DOC).at(-1), late.of("doc_op").length], [2, 0]);
});

Deno.test("snapshots: a client that takes nothing of a snapshot is taken off the document, told so, and may open it again", async () => {
  const { service, text } = await begun({ openPatience: 5 });
  const { client, read } = await slow(service, "s1");
  await service.say(client, "doc_open", { channel: DOC });
  assert.deepEqual(client.of("unsubscribed").map(({ payload }) => payload), [
    { channel: DOC, reason: "not_available" },
  ]);
  assert.equal(service.hub.isOn(client, DOC), false);
  read();
  await service.say(client, "doc_open", { channel: DOC });
  assert.equal(received(client), text);
});

Deno.test("snapshots: snapshots that grow and are never ended have a bound together, and those whose client is gone do not count", async () => {
  const { hub } = makeHub();
  const route = snapshotRoute({
    hub,
    limits: () => ({ maxPending: 1000, maxSnapshot: 1000 }),
    covered: () => {},
    now: () => 0,
    maxAssembling: 100,
  });
  hub.publish({
    origin: "api",
    channel: DOC,
    type: "doc_op",
    id: "m",
    from: "ann",
    payload: { data: bytes("x") },
  });
  const { epoch } = await hub.position(DOC);
  const say = async (client: FakeClient, part: number, data: Uint8Array) => {
    const payload = { channel: DOC, epoch, offset: 1, part, parts: 100, data, checksum: crc32(data) };
    const message = checkEnvelope({ type: "doc_snapshot", id: "s", timestamp: 0, payload });
    await route.handler({ client, message, lane: 300, datagram: false, early: false, reply: () => {} });
  };
  const clients = await Promise.all(Array.from({ length: 10 }, (_, i) => join(hub, `s${i}`, "eve")));
  for (const client of clients) await say(client, 0, new Uint8Array(9));
  await say(clients[0]!, 1, new Uint8Array(9));
  await assert.rejects(say(clients[1]!, 1, new Uint8Array(9)), refusal("not_available"));
  for (const client of clients.slice(2)) client.end();
  await say(clients[0]!, 2, new Uint8Array(70));
});

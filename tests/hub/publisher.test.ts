import assert from "node:assert/strict";
import type { Published } from "../../src/engine/contract.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { DEFAULT_NAMESPACE, type Hub, type PublishRequest } from "../../src/hub/mod.ts";
import { encodeBare, type Payload, ProtocolError, type Right } from "../../src/protocol/mod.ts";
import { FakeClient, makeHub, principal } from "./support.ts";

const LIMIT = 1000;

function refusal(error: string) {
  return (thrown: unknown) => thrown instanceof ProtocolError && thrown.error === error;
}

function client(userId: string, publish: readonly string[], ...rights: Right[]): FakeClient {
  return new FakeClient(`s-${userId}`, principal(userId, { publish, rights: new Set(rights) }));
}

const ann = client("ann", ["chat:a", "doc:a", "user:*", "broadcast:*"]);

/** The same message from everywhere it can come from. */
function fromEverywhere(channel: string, id: string, payload: Payload): PublishRequest[] {
  return [
    { origin: "client", client: ann, channel, type: "chat_message", id, payload },
    { origin: "file", client: ann, channel, type: "chat_message", id, payload },
    { origin: "api", from: "ann", channel, id, payload },
  ];
}

function publish(hub: Hub, request: PublishRequest): Published {
  const published = hub.publish(request);
  if (published instanceof Promise) throw new TypeError("the memory engine answers at once");
  return published;
}

Deno.test("publisher: every origin is held to the same size, in its largest form", () => {
  const { hub } = makeHub({ maxMessage: () => LIMIT });
  // 200 control characters are 1,200 bytes in JSON and some 200 in MessagePack; 200 fractions the other way about.
  const tooLarge: Payload[] = [
    { text: "\u0001".repeat(200) },
    { data: Array.from({ length: 200 }, () => 0.5) },
    { text: "x".repeat(LIMIT) },
  ];
  for (const payload of tooLarge) {
    for (const request of fromEverywhere("chat:a", "m1", payload)) {
      assert.throws(() => publish(hub, request), refusal("message_too_large"), request.origin);
    }
  }
  const fits = { text: "x".repeat(LIMIT - 20) };
  for (const [at, request] of fromEverywhere("chat:a", "m2", fits).entries()) {
    assert.equal(publish(hub, { ...request, id: `m${at}` }).duplicate, false, request.origin);
  }
});

Deno.test("publisher: bytes are measured as base64", () => {
  const { hub } = makeHub({ maxMessage: () => LIMIT });
  const op = (bytes: number): PublishRequest => ({
    origin: "client",
    client: ann,
    channel: "doc:a",
    type: "doc_op",
    id: `${bytes}`,
    payload: { data: new Uint8Array(bytes), checksum: 0 },
  });
  assert.equal(
    encodeBare({ type: "doc_op", id: "1", timestamp: 0, payload: op(900).payload }, "msgpack").length < LIMIT,
    true,
  );
  assert.throws(() => publish(hub, op(900)), refusal("message_too_large"));
  assert.equal(publish(hub, op(700)).offset, 1);
});

Deno.test("publisher: one id of one sender has one effect whatever its origin", () => {
  const { hub } = makeHub();
  const [first, ...again] = fromEverywhere("chat:a", "m1", { text: "once" }).map((request) =>
    publish(hub, request)
  );
  assert.equal(first!.duplicate, false);
  for (const published of again) assert.deepEqual(published, { ...first, duplicate: true });
  const other = {
    origin: "api",
    from: "bob",
    channel: "chat:a",
    id: "m1",
    payload: { text: "once" },
  } as const;
  assert.equal(publish(hub, other).duplicate, false);
});

Deno.test("publisher: a namespace that does not exist takes nothing from any origin", () => {
  const { hub } = makeHub({ namespace: () => undefined });
  for (const request of fromEverywhere("chat:a", "m1", { text: "x" })) {
    assert.throws(() => publish(hub, request), refusal("unknown_channel"), request.origin);
  }
});

Deno.test("publisher: the token's patterns hold for clients and their files, the API may publish everywhere", () => {
  const { hub } = makeHub();
  for (const request of fromEverywhere("chat:b", "m1", { text: "x" })) {
    if (request.origin === "api") assert.equal(publish(hub, request).offset, 1);
    else assert.throws(() => publish(hub, request), refusal("permission_denied"), request.origin);
  }
});

Deno.test("publisher: a document takes operations and announcements of files alone", () => {
  const { hub } = makeHub();
  for (const request of fromEverywhere("doc:a", "m1", { text: "x" })) {
    if (request.origin === "file") assert.equal(publish(hub, request).offset, 1);
    else assert.throws(() => publish(hub, request), refusal("not_a_document"), request.origin);
  }
  const op = {
    origin: "client",
    client: ann,
    type: "doc_op",
    id: "m2",
    payload: { data: new Uint8Array(1) },
  } as const;
  assert.throws(() => publish(hub, { ...op, channel: "chat:a" }), refusal("not_a_document"));
  assert.equal(publish(hub, { ...op, channel: "doc:a" }).offset, 2);
});

Deno.test("publisher: the channel decides the type where none is named", () => {
  const engine = new MemoryEngine();
  const { hub } = makeHub({ engine });
  const types = ["chat:a", "user:bob", "broadcast:all"].map((channel) => {
    publish(hub, { origin: "api", from: "ann", channel, id: "m1", payload: { text: "x" } });
    return engine.log.read(channel).records[0]!.type;
  });
  assert.deepEqual(types, ["chat_message", "direct_message", "broadcast"]);
});

Deno.test("publisher: an inbox and the broadcast channel need their right, their type and their name", () => {
  const { hub } = makeHub();
  const may = client("eve", [], "direct_message", "broadcast");
  const direct = {
    origin: "client",
    channel: "user:bob",
    type: "direct_message",
    id: "m1",
    payload: { text: "x" },
  } as const;
  const all = {
    origin: "client",
    channel: "broadcast:all",
    type: "broadcast",
    id: "m1",
    payload: { text: "x" },
  } as const;
  for (const request of [direct, all]) {
    assert.throws(() => publish(hub, { ...request, client: ann }), refusal("permission_denied"));
    assert.equal(publish(hub, { ...request, client: may }).offset, 1);
    const chat = { ...request, client: may, type: "chat_message" } as const;
    assert.throws(() => publish(hub, chat), refusal("permission_denied"));
  }
  for (const channel of ["user:bob", "broadcast:all"]) {
    const chat = { origin: "api", from: "ann", channel, id: "m2", payload: { text: "x" } } as const;
    assert.throws(() => publish(hub, { ...chat, type: "chat_message" }), refusal("permission_denied"));
  }
  const other = {
    origin: "api",
    from: "ann",
    channel: "broadcast:other",
    id: "m1",
    payload: { text: "x" },
  } as const;
  assert.throws(() => publish(hub, other), refusal("unknown_channel"));
});

Deno.test("publisher: receipts come into an inbox from the service alone, and nothing else does from it", () => {
  const { hub } = makeHub();
  const receipt = { channel: "user:ann", type: "delivered", id: "r1", payload: { of: "m1" } } as const;
  for (const request of [{ origin: "api", from: "bob" }, { origin: "client", client: ann }] as const) {
    assert.throws(() => publish(hub, { ...receipt, ...request }), refusal("permission_denied"));
  }
  assert.equal(publish(hub, { ...receipt, origin: "service", from: "bob" }).offset, 1);
  const chat = { ...receipt, origin: "service", from: "bob", type: "chat_message", id: "c1" } as const;
  assert.throws(() => publish(hub, chat), refusal("permission_denied"));
});

Deno.test("publisher: what an author gave up of a document is said by the service alone", () => {
  const { hub } = makeHub();
  const given = { channel: "doc:a", type: "doc_op_given_up", id: "g1", payload: { op: "m1" } } as const;
  for (const request of [{ origin: "api", from: "bob" }, { origin: "client", client: ann }] as const) {
    assert.throws(() => publish(hub, { ...given, ...request }), refusal("permission_denied"));
  }
  assert.equal(publish(hub, { ...given, origin: "service", from: "bob" }).offset, 1);
});

Deno.test("publisher: a conversation takes no type that other channels keep", () => {
  const { hub } = makeHub();
  for (const type of ["direct_message", "broadcast"] as const) {
    const request = {
      origin: "api",
      from: "bob",
      channel: "chat:a",
      type,
      id: type,
      payload: { text: "x" },
    } as const;
    assert.throws(() => publish(hub, request), refusal("permission_denied"), type);
  }
});

Deno.test("publisher: the operations of a document outlive the retention of its namespace", () => {
  const { hub } = makeHub({
    namespace: () => ({ ...DEFAULT_NAMESPACE, retention: { size: 1, age: 60_000 } }),
  });
  for (const channel of ["doc:a", "chat:a"]) {
    for (let i = 0; i < 3; i++) {
      const type = channel === "doc:a" ? "doc_op" : "chat_message";
      publish(hub, { origin: "client", client: ann, channel, type, id: `m${i}`, payload: { text: "x" } });
    }
  }
  const kept = (channel: string) => {
    const page = hub.history(channel, {});
    return page instanceof Promise ? -1 : page.records.length;
  };
  assert.deepEqual([kept("doc:a"), kept("chat:a")], [3, 1]);
});

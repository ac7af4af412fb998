/** Documents of the SDK, over a network in memory with the real hub, handlers and engine at its other end. */

import { type Document, type DocumentOptions, openDocument } from "../../src/client/documents.ts";
import assert from "node:assert/strict";
import { SkeinClient, type SkeinError } from "../../src/client/mod.ts";
import { DocumentKey } from "../../src/client/documents/encryption.ts";
import { KeptOutbox, World } from "../client/support.ts";
import { FakeClient, principal } from "../hub/support.ts";
import { bytes, textOf } from "./support.ts";

const DOC = "doc:plan";

/** What an application has of a document. */
class Copy {
  readonly texts: string[] = [];
  readonly resets: (string | undefined)[] = [];
  readonly errors: SkeinError[] = [];
  readonly own: boolean[] = [];

  constructor(readonly document: Document) {
    document.on("reset", ({ data }) => {
      this.resets.push(data === undefined ? undefined : textOf(data));
      this.texts.splice(0, this.texts.length, ...(data === undefined ? [] : textOf(data).split(",")));
    });
    document.on("operation", ({ data, own }) => {
      this.texts.push(textOf(data));
      this.own.push(own);
    });
    document.on("error", (error) => this.errors.push(error));
  }

  get state(): Uint8Array {
    return bytes(this.texts.join(","));
  }
}

/** A world with clients, closed at the end. */
async function inWorld(run: (world: World, open: OpenClient) => Promise<void>): Promise<void> {
  const world = new World();
  const clients: SkeinClient[] = [];
  const open: OpenClient = (user, { outbox, ...options } = {}) => {
    const client = new SkeinClient(
      world.options(user, { probing: false, ...(outbox && { outbox: { storage: outbox } }) }),
    );
    clients.push(client);
    return { client, copy: new Copy(openDocument(client, DOC, options)) };
  };
  try {
    await run(world, open);
  } finally {
    const closing = clients.map((client) => client.close());
    await world.clock.advance(3000);
    await Promise.all(closing);
  }
}

type OpenClient = (
  user: string,
  options?: DocumentOptions & { outbox?: KeptOutbox },
) => { client: SkeinClient; copy: Copy };

Deno.test("document client: operations come once and in order to everybody, one's own are known as such", () =>
  inWorld(async (world, open) => {
    const ann = open("ann"), bob = open("bob");
    await world.until(() => ann.copy.document.synced && bob.copy.document.synced);
    const receipts = Promise.all(["a", "b", "c"].map((text) => ann.copy.document.send(bytes(text))));
    await world.until(() => bob.copy.texts.length === 3 && ann.copy.texts.length === 3);
    assert.deepEqual((await receipts).map(({ offset }) => offset), [1, 2, 3]);
    assert.deepEqual([ann.copy.texts, bob.copy.texts], [["a", "b", "c"], ["a", "b", "c"]]);
    assert.deepEqual([ann.copy.own, bob.copy.own], [[true, true, true], [false, false, false]]);
  }));

Deno.test("document client: operations can be read as an async iterable", () =>
  inWorld(async (world, open) => {
    const ann = open("ann"), bob = open("bob");
    await world.until(() => ann.copy.document.synced && bob.copy.document.synced);
    const read = (async () => {
      const got: string[] = [];
      for await (const { data } of bob.copy.document) {
        if (got.push(textOf(data)) === 2) break;
      }
      return got;
    })();
    for (const text of ["a", "b"]) void ann.copy.document.send(bytes(text));
    await world.until(() => bob.copy.texts.length === 2);
    assert.deepEqual(await read, ["a", "b"]);
  }));

Deno.test("document client: what is sent offline is sent later, and a client that was away is told only what it missed", () =>
  inWorld(async (world, open) => {
    const ann = open("ann"), bob = open("bob");
    await world.until(() => ann.copy.document.synced && bob.copy.document.synced);
    void ann.copy.document.send(bytes("before"));
    await world.until(() => bob.copy.texts.length === 1);
    world.paths.quic.dial = world.paths.websocket.dial = "refused";
    world.cut();
    void ann.copy.document.send(bytes("by ann"));
    void bob.copy.document.send(bytes("by bob"));
    await world.clock.advance(500);
    world.paths.quic.dial = world.paths.websocket.dial = "open";
    await world.until(() => ann.copy.texts.length === 3 && bob.copy.texts.length === 3);
    assert.deepEqual(ann.copy.texts, bob.copy.texts);
    assert.deepEqual(ann.copy.resets, [undefined]);
  }));

Deno.test("document client: a snapshot is where newcomers begin, and it is made of what was told", () =>
  inWorld(async (world, open) => {
    const ann = open("ann");
    assert.equal(await ann.copy.document.snapshot(bytes("too early")), false);
    await world.until(() => ann.copy.document.synced);
    for (const text of ["a", "b"]) void ann.copy.document.send(bytes(text));
    await world.until(() => ann.copy.texts.length === 2);
    const kept = ann.copy.document.snapshot(ann.copy.state);
    await world.clock.advance(100);
    assert.equal(await kept, true);
    const again = ann.copy.document.snapshot(ann.copy.state);
    void ann.copy.document.send(bytes("c"));
    await world.until(() => ann.copy.texts.length === 3);
    assert.equal(await again, false);
    const bob = open("bob");
    await world.until(() => bob.copy.document.synced);
    assert.deepEqual(bob.copy.resets, ["a,b"]);
    assert.deepEqual(bob.copy.texts, ["a", "b", "c"]);
  }));

Deno.test("document client: an application that kept the document is told only what came since", () =>
  inWorld(async (world, open) => {
    const ann = open("ann");
    await world.until(() => ann.copy.document.synced);
    for (const text of ["a", "b"]) void ann.copy.document.send(bytes(text));
    await world.until(() => ann.copy.texts.length === 2);
    const since = ann.copy.document.position!;
    void ann.copy.document.send(bytes("c"));
    const bob = open("bob", { since });
    await world.until(() => bob.copy.document.synced && bob.copy.texts.length === 1);
    assert.deepEqual([bob.copy.resets, bob.copy.texts], [[], ["c"]]);
  }));

Deno.test("document client: operations and snapshots larger than a message arrive whole", () =>
  inWorld(async (world, open) => {
    const ann = open("ann");
    await world.until(() => ann.copy.document.synced);
    const large = "0123456789".repeat(30_000);
    void ann.copy.document.send(bytes(large));
    void ann.copy.document.send(bytes("small"));
    await world.until(() => ann.copy.texts.length === 2);
    assert.deepEqual(ann.copy.texts, [large, "small"]);
    assert.deepEqual(ann.copy.own, [true, true]);
    const kept = ann.copy.document.snapshot(ann.copy.state);
    await world.clock.advance(1000);
    assert.equal(await kept, true);
    const bob = open("bob");
    await world.until(() => bob.copy.document.synced);
    assert.deepEqual(bob.copy.resets, [`${large},small`]);
  }));

Deno.test("document client: while parts of an operation are missing a snapshot reaches only up to them", () =>
  inWorld(async (world, open) => {
    const ann = open("ann");
    await world.until(() => ann.copy.document.synced);
    void ann.copy.document.send(bytes("a"));
    await world.until(() => ann.copy.texts.length === 1);
    const part = (index: number) => ({ op: "o", index, count: 2 });
    const publish = (id: string, payload: Record<string, unknown>) =>
      world.hub.publish({ origin: "api", channel: DOC, type: "doc_op", id, from: "eve", payload });
    const data = bytes("x");
    const checksum = 2363233923;
    await publish("p0", { data, checksum, part: part(0) });
    void ann.copy.document.send(bytes("b"));
    await world.until(() => ann.copy.texts.length === 2);
    assert.equal(ann.copy.document.position!.offset, 1);
    await publish("p1", { data, checksum, part: part(1) });
    await world.until(() => ann.copy.texts.length === 3);
    assert.deepEqual(ann.copy.texts, ["a", "b", "xx"]);
    assert.equal(ann.copy.document.position!.offset, 4);
  }));

Deno.test("document client: parts of an operation that was given up hold no snapshot back", () =>
  inWorld(async (world, open) => {
    const ann = open("ann");
    await world.until(() => ann.copy.document.synced);
    const said = { origin: "service", channel: DOC, from: "eve" } as const;
    const payload = { data: bytes("x"), checksum: 2363233923, part: { op: "o", index: 0, count: 2 } };
    world.hub.publish({ ...said, type: "doc_op", id: "p0", payload });
    void ann.copy.document.send(bytes("a"));
    await world.until(() => ann.copy.texts.length === 1);
    assert.equal(ann.copy.document.position!.offset, 0);
    world.hub.publish({ ...said, type: "doc_op_given_up", id: "g0", payload: { op: "o" } });
    await world.until(() => ann.copy.document.position!.offset === 3);
    void ann.copy.document.send(bytes("b"));
    await world.until(() => ann.copy.texts.length === 2);
    assert.deepEqual(ann.copy.texts, ["a", "b"]);
    assert.equal(ann.copy.document.position!.offset, 4);
  }));

Deno.test("document client: an operation that comes corrupted is asked for again, and order is kept", () =>
  inWorld(async (world, open) => {
    const ann = open("ann"), bob = open("bob");
    await world.until(() => ann.copy.document.synced && bob.copy.document.synced);
    let spoiled = 0;
    world.swallow = ({ type, payload }) => {
      // The second operation, once for each of them.
      if (type === "doc_op" && payload.offset === 2 && spoiled++ < 2) payload.checksum = 1;
      return false;
    };
    for (const text of ["a", "b", "c"]) void ann.copy.document.send(bytes(text));
    await world.until(() => ann.copy.texts.length === 3 && bob.copy.texts.length === 3);
    assert.deepEqual([ann.copy.texts, bob.copy.texts], [["a", "b", "c"], ["a", "b", "c"]]);
    assert.equal(spoiled >= 2, true);
  }));

Deno.test("document client: what else is kept in the channel has its place, and holds nothing up", () =>
  inWorld(async (world, open) => {
    const ann = open("ann");
    await world.until(() => ann.copy.document.synced);
    void ann.copy.document.send(bytes("a"));
    await world.until(() => ann.copy.texts.length === 1);
    const client = new FakeClient("s9", principal("eve"));
    world.hub.publish({
      origin: "file",
      client,
      channel: DOC,
      type: "chat_message",
      id: "m1",
      payload: { text: "a file" },
    });
    void ann.copy.document.send(bytes("b"));
    await world.until(() => ann.copy.texts.length === 2);
    assert.equal(ann.copy.document.position!.offset, 3);
  }));

Deno.test("document client: deliveries that get lost on a live connection are noticed and asked for", () =>
  inWorld(async (world, open) => {
    const ann = open("ann"), bob = open("bob");
    await world.until(() => ann.copy.document.synced && bob.copy.document.synced);
    let lost = 0;
    world.swallow = ({ type, payload }) => type === "doc_op" && payload.offset === 1 && lost++ < 2;
    for (const text of ["a", "b"]) void ann.copy.document.send(bytes(text));
    await world.until(() => ann.copy.texts.length === 2 && bob.copy.texts.length === 2);
    assert.deepEqual(bob.copy.texts, ["a", "b"]);
  }));

Deno.test("document client: a service that has lost the document is told of as a new beginning", () =>
  inWorld(async (world, open) => {
    const ann = open("ann");
    await world.until(() => ann.copy.document.synced);
    void ann.copy.document.send(bytes("a"));
    await world.until(() => ann.copy.texts.length === 1);
    const { epoch } = ann.copy.document.position!;
    world.kill();
    Object.assign(world, { engine: new World().engine });
    world.start();
    await world.until(() => ann.copy.resets.length === 2 && ann.copy.document.synced);
    assert.deepEqual(ann.copy.texts, []);
    assert.notEqual(ann.copy.document.position!.epoch, epoch);
  }));

Deno.test("document client: what a page had not sent when it went is sent by the next one", () =>
  inWorld(async (world, open) => {
    const outbox = new KeptOutbox();
    world.paths.quic.dial = world.paths.websocket.dial = "refused";
    const first = open("ann", { outbox });
    void first.copy.document.send(bytes("kept"));
    await world.clock.advance(100);
    const closing = first.client.close();
    await world.clock.advance(100);
    await closing;
    world.paths.quic.dial = world.paths.websocket.dial = "open";
    const second = open("ann", { outbox });
    await world.until(() => second.copy.texts.length === 1);
    assert.deepEqual(second.copy.texts, ["kept"]);
  }));

Deno.test("document client: awareness reaches the others, and nobody when there is no connection", () =>
  inWorld(async (world, open) => {
    const ann = open("ann"), bob = open("bob");
    await world.until(() => ann.copy.document.synced && bob.copy.document.synced);
    const seen: string[] = [];
    bob.copy.document.on("awareness", ({ data, from }) => seen.push(`${from} ${textOf(data)}`));
    ann.copy.document.awareness(bytes("here"));
    await world.until(() => seen.length === 1);
    assert.deepEqual(seen, ["ann here"]);
    world.paths.quic.dial = world.paths.websocket.dial = "refused";
    world.cut();
    ann.copy.document.awareness(bytes("gone"));
    assert.deepEqual(ann.copy.errors, []);
  }));

Deno.test("document client: a document that is closed says no more, takes no more, and can be opened anew", () =>
  inWorld(async (world, open) => {
    const ann = open("ann"), bob = open("bob");
    await world.until(() => ann.copy.document.synced && bob.copy.document.synced);
    const left = ann.copy.document;
    left.close();
    await assert.rejects(left.send(bytes("x")), { error: "closed" });
    void bob.copy.document.send(bytes("a"));
    await world.until(() => bob.copy.texts.length === 1);
    assert.deepEqual(ann.copy.texts, []);
    const again = new Copy(openDocument(ann.client, DOC));
    await world.until(() => again.texts.length === 1);
    assert.notEqual(again.document, left);
  }));

Deno.test("document client: only channels doc:* are documents", () =>
  inWorld((_world, open) => {
    const { client } = open("ann");
    for (const name of ["chat:a", "doc:", "doc: x"]) {
      assert.throws(() => openDocument(client, name), { error: "bad_argument" });
    }
    assert.equal(openDocument(client, DOC), openDocument(client, DOC));
    return Promise.resolve();
  }));

Deno.test("document client: documents are closed with their client", () =>
  inWorld(async (world, open) => {
    const { client, copy: { document } } = open("ann");
    await world.until(() => document.synced);
    const ended: unknown[] = [];
    document.on("closed", (error) => ended.push(error));
    const closing = client.close();
    await world.clock.advance(3000);
    await closing;
    assert.deepEqual(ended, [undefined]);
    assert.equal(document.closed, true);
  }));

Deno.test("document client: after a while without operations the document's lane is closed, and opened again when there are some", () =>
  inWorld(async (world, open) => {
    const ann = open("ann", { idle: 1000 });
    await world.until(() => ann.copy.document.synced);
    const closed: number[] = [];
    for (const link of world.links) {
      Object.assign(link, { closeLane: (lane: number) => closed.push(lane) });
    }
    void ann.copy.document.send(bytes("a"));
    await world.clock.advance(500);
    void ann.copy.document.send(bytes("b"));
    await world.clock.advance(800);
    assert.deepEqual(closed, []);
    await world.clock.advance(1000);
    assert.deepEqual(closed, [300]);
    void ann.copy.document.send(bytes("c"));
    await world.until(() => ann.copy.texts.length === 3);
  }));

Deno.test("document client: what is sealed reaches those who have the key, and the server keeps none of it in clear", async () => {
  const key = await DocumentKey.generate();
  const shared = await DocumentKey.fromUrl(await key.toUrl("https://docs.example/plan#x=1"));
  await inWorld(async (world, open) => {
    const ann = open("ann", { key: world.cipher(key) });
    await world.until(() => ann.copy.document.synced);
    const large = "secret ".repeat(20_000);
    for (const text of ["secret a", large, "secret b"]) void ann.copy.document.send(bytes(text));
    await world.until(() => ann.copy.texts.length === 3);
    assert.deepEqual(ann.copy.texts, ["secret a", large, "secret b"]);
    const kept = ann.copy.document.snapshot(ann.copy.state);
    await world.until(() => world.engine.values.get({ channel: DOC, name: "snapshot" }) !== undefined);
    assert.equal(await kept, true);
    void ann.copy.document.send(bytes("secret c"));
    const bob = open("bob", { key: world.cipher(shared!) });
    const eve = open("eve", { key: world.cipher(await DocumentKey.generate()) });
    await world.until(() => bob.copy.texts.at(-1) === "secret c" && eve.copy.errors.length > 0);
    assert.equal(bob.copy.resets[0]!.startsWith("secret a,secret"), true);
    assert.deepEqual(eve.copy.texts, []);
    // What could not be read must not be snapshotted away.
    await world.until(() => eve.copy.document.synced);
    assert.equal(await eve.copy.document.snapshot(bytes("nothing")), false);
    const records = world.engine.log.read(DOC, { limit: 1000 }).records;
    const stored = [...records.map(({ payload }) => payload.data as Uint8Array)];
    stored.push(world.engine.values.get({ channel: DOC, name: "snapshot" })!.data!);
    assert.ok(stored.length > 4);
    for (const data of stored) assert.ok(!new TextDecoder("latin1").decode(data).includes("secret"));
  });
});

Deno.test("document client: what was sealed for one purpose or document cannot be opened for another, or changed", async () => {
  const key = await DocumentKey.generate();
  const sealed = await key.seal("operation", DOC, bytes("text"));
  assert.equal(textOf(await key.open("operation", DOC, sealed)), "text");
  const wrong = [
    () => key.open("snapshot", DOC, sealed),
    () => key.open("operation", "doc:other", sealed),
    () => key.open("operation", DOC, sealed.with(20, sealed[20]! ^ 1)),
    () => key.open("operation", DOC, bytes("clear text, by somebody without a key")),
    async () => (await DocumentKey.generate()).open("operation", DOC, sealed),
  ];
  for (const opening of wrong) await assert.rejects(opening(), { error: "bad_payload" });
  assert.notDeepEqual(await key.seal("operation", DOC, bytes("text")), sealed);
  await assert.rejects(DocumentKey.fromText("short"), { error: "bad_argument" });
  assert.equal(await DocumentKey.fromUrl("https://docs.example/#y=2"), undefined);
});

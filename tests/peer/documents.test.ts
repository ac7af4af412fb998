/** Yjs documents straight among peers, with the service beside them, and without it. */

import { openDocument } from "../../src/client/documents.ts";
import assert from "node:assert/strict";
import * as Y from "yjs";
import { Awareness, outdatedTimeout } from "y-protocols/awareness";
import { SkeinClient } from "../../src/client/mod.ts";
import { SkeinPeer } from "../../src/client/peer.ts";
import { PeerDocuments, type SharedDocument } from "../../src/client/peer_yjs.ts";
import { DocumentKey } from "../../src/client/documents/encryption.ts";
import { SkeinYjsProvider } from "../../src/client/yjs.ts";
import { Cluster, type TestNode, tokenOf, until } from "../nodes/support.ts";

const DOCUMENT = "doc:plan";

interface WriterOptions {
  readonly key?: DocumentKey;
  /** Without it the document goes among peers alone. @default true */
  readonly service?: boolean;
  readonly admissionTime?: number;
}

/** Somebody who writes: a client, a peer, and a document on both. */
class Writer implements AsyncDisposable {
  readonly client: SkeinClient;
  readonly peer: SkeinPeer;
  readonly doc = new Y.Doc();
  readonly awareness = new Awareness(this.doc);
  readonly documents: PeerDocuments;
  readonly provider: SkeinYjsProvider | undefined;
  readonly shared: SharedDocument;
  /** What peers did wrong. */
  readonly errors: unknown[] = [];
  /** Operations that the service took from this one. */
  sent = 0;

  private constructor(
    client: SkeinClient,
    peer: SkeinPeer,
    { key, service = true, ...times }: WriterOptions,
  ) {
    this.client = client;
    this.peer = peer;
    const { doc, awareness } = this;
    this.documents = new PeerDocuments(peer, { ...times, onError: (error) => void this.errors.push(error) });
    if (service) {
      const document = openDocument(client, DOCUMENT, key === undefined ? {} : { key });
      this.provider = new SkeinYjsProvider(document, doc, { awareness });
    }
    client.on("acknowledged", () => void this.sent++);
    this.shared = this.documents.share(DOCUMENT, doc, {
      awareness,
      ...key === undefined ? {} : { key },
    });
  }

  static async start(node: TestNode, user: string, options: WriterOptions = {}): Promise<Writer> {
    const client = new SkeinClient({ url: node.url, token: await tokenOf(user, { peers: ["*"] }) });
    const peer = await SkeinPeer.open(client);
    await client.connect();
    await peer.announced();
    const writer = new Writer(client, peer, options);
    await writer.provider?.ready;
    return writer;
  }

  get text(): string {
    return this.doc.getText("t").toString();
  }

  write(text: string): void {
    const shared = this.doc.getText("t");
    shared.insert(shared.length, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.shared.close();
    this.documents.close();
    this.provider?.destroy();
    this.awareness.destroy();
    await this.peer.close();
    await this.client.close();
    this.doc.destroy();
  }
}

const connected = (...writers: Writer[]): Promise<void> =>
  until(
    "all are connected",
    () => writers.every(({ shared }) => shared.peers.length === writers.length - 1),
  );
const same = (text: string, ...writers: Writer[]): Promise<void> =>
  until(`all read ${text}`, () => writers.every((writer) => writer.text === text));

Deno.test("peer documents: those who have a document open find each other, and write to each other directly", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  await using ann = await Writer.start(node!, "ann"), bob = await Writer.start(node!, "bob");
  await using carl = await Writer.start(node!, "carl");
  await connected(ann, bob, carl);
  ann.write("a");
  await same("a", ann, bob, carl);
  // The service is gone: peers go on.
  await cluster.stop(node!);
  bob.write("b");
  await same("ab", ann, bob, carl);
  carl.doc.getText("t").delete(0, 1);
  await same("b", ann, bob, carl);
});

Deno.test("peer documents: what came from a peer is brought to the service by its author alone", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  await using ann = await Writer.start(node!, "ann"), bob = await Writer.start(node!, "bob");
  await connected(ann, bob);
  await until("what opening a document sends is over", () => ann.client.manager.pending === 0);
  const before = bob.sent;
  for (let i = 0; i < 20; i++) {
    ann.write(`${i} `);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await same(ann.text, bob);
  // Longer than the author has.
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  assert.equal(bob.sent, before);
  await using late = await Writer.start(node!, "late");
  assert.equal(late.text, ann.text);
});

Deno.test("peer documents: what was written by one who is not on the service reaches it through another, once", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  await using ann = await Writer.start(node!, "ann");
  await using bob = await Writer.start(node!, "bob", { service: false });
  ann.shared.add(bob.peer.id);
  bob.shared.add(ann.peer.id);
  await connected(ann, bob);
  bob.write("from bob");
  await same("from bob", ann);
  await until("ann has brought it to the service", () => ann.sent > 0);
  await using late = await Writer.start(node!, "late");
  assert.equal(late.text, "from bob");
});

Deno.test("peer documents: what several have had for long is brought to the service by one of them", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  const none = { service: false };
  await using ann = await Writer.start(node!, "ann", none), bob = await Writer.start(node!, "bob", none);
  ann.shared.add(bob.peer.id);
  bob.shared.add(ann.peer.id);
  await connected(ann, bob);
  ann.write("from a file of each");
  await same("from a file of each", ann, bob);
  // As after a start: nobody's own writing, and nothing that came from a peer.
  const providers = [ann, bob].map(({ client, doc }) =>
    new SkeinYjsProvider(openDocument(client, DOCUMENT), doc, { awareness: null })
  );
  await Promise.all(providers.map(({ ready }) => ready));
  await until("it is at the service", () => ann.sent + bob.sent > 0);
  // Whatever either of them has sent at the same time is answered before this.
  await Promise.all([ann, bob].map(({ client }) => client.manager.send("peer_relay_credentials", {})));
  assert.equal(ann.sent + bob.sent, 1);
  for (const provider of providers) provider.destroy();
});

Deno.test("peer documents: two that are not connected read each other through a third", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  const none = { service: false };
  await using ann = await Writer.start(node!, "ann", none), bob = await Writer.start(node!, "bob", none);
  await using carl = await Writer.start(node!, "carl", none);
  for (const [one, other] of [[ann, bob], [bob, carl]] as const) {
    one.shared.add(other.peer.id);
    other.shared.add(one.peer.id);
  }
  await until("bob has both", () => bob.shared.peers.length === 2);
  ann.write("a");
  await same("a", bob, carl);
  carl.write("c");
  await same("ac", ann, bob, carl);
  ann.doc.getText("t").delete(0, 2);
  await same("", bob, carl);
  assert.deepEqual(ann.shared.peers, [bob.peer.id]);
});

Deno.test("peer documents: one without the key reads nothing", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  const key = await DocumentKey.generate();
  await using ann = await Writer.start(node!, "ann", { key, service: false });
  await using bob = await Writer.start(node!, "bob", { key, service: false });
  await using mallory = await Writer.start(node!, "mallory", {
    key: await DocumentKey.generate(),
    service: false,
  });
  for (const other of [bob, mallory]) {
    ann.shared.add(other.peer.id);
    other.shared.add(ann.peer.id);
  }
  await until("bob is there", () => ann.shared.peers.includes(bob.peer.id));
  ann.write("secret");
  await same("secret", bob);
  await until("mallory is found out", () => mallory.errors.length > 0 || ann.errors.length > 0);
  assert.equal(mallory.text, "");
});

Deno.test("peer documents: a peer that was not let in gets nothing", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  await using ann = await Writer.start(node!, "ann", { service: false, admissionTime: 500 });
  await using mallory = await Writer.start(node!, "mallory", { service: false });
  ann.write("secret");
  // Mallory knows the id of ann's peer, and the name of the document.
  mallory.shared.add(ann.peer.id);
  await mallory.peer.connect(ann.peer.id).ready();
  await until(
    "one of them has seen it",
    () => ann.errors.length + mallory.errors.length > 0 || mallory.peer.id > ann.peer.id,
  );
  assert.equal(mallory.text, "");
  assert.deepEqual(ann.shared.peers, []);
});

Deno.test("peer documents: a peer whose awareness was lost is let in when it is said again", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  await using ann = await Writer.start(node!, "ann", { service: false });
  await using bob = await Writer.start(node!, "bob", { service: false });
  const [opens, waits] = ann.peer.id < bob.peer.id ? [ann, bob] : [bob, ann];
  opens.write("here");
  opens.shared.add(waits.peer.id);
  await waits.peer.connect(opens.peer.id).ready();
  // Longer than a period of awareness, of which one message may be lost.
  await new Promise((resolve) => setTimeout(resolve, outdatedTimeout / 2));
  assert.deepEqual(waits.errors, []);
  waits.shared.add(opens.peer.id);
  await same("here", ann, bob);
});

Deno.test("peer documents: what is no update ends the stream of its sender, and is not passed on", async () => {
  await using cluster = await Cluster.start(1);
  const [node] = cluster.nodes;
  const none = { service: false };
  await using ann = await Writer.start(node!, "ann", none), bob = await Writer.start(node!, "bob", none);
  await using mallory = await Writer.start(node!, "mallory", none);
  for (const [one, other] of [[ann, bob], [bob, mallory]] as const) {
    one.shared.add(other.peer.id);
    other.shared.add(one.peer.id);
  }
  await until(
    "bob has both, and mallory bob",
    () => bob.shared.peers.length === 2 && mallory.shared.peers.length === 1,
  );
  // As if it had been changed: the event carries what is sent.
  mallory.doc.emit("update", [Uint8Array.of(0xff, 0xff, 0xff), undefined, mallory.doc, {} as Y.Transaction]);
  await until("bob has noticed", () => bob.errors.length > 0);
  ann.write("goes on");
  await same("goes on", ann, bob);
  assert.deepEqual(ann.errors, []);
});

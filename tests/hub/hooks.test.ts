import assert from "node:assert/strict";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { type Hub, type PublishHook, type Subscribed } from "../../src/hub/mod.ts";
import { type Payload, ProtocolError } from "../../src/protocol/mod.ts";
import { FakeClient, join, makeHub, principal } from "./support.ts";

const CHANNEL = "chat:a";

/** A hub with a subscriber. */
async function heard(options: Parameters<typeof makeHub>[0] = {}) {
  const { hub, failures } = makeHub(options);
  const reader = await join(hub, "reader", "reader");
  (hub.subscribe(reader, CHANNEL, 1) as Subscribed).start();
  return { hub, failures, texts: () => reader.of("chat_message").map(({ payload }) => payload.text) };
}

function publish(hub: Hub, text: string, from = "bob") {
  return hub.publish({ origin: "api", from, channel: CHANNEL, id: text, payload: { text } });
}

/** A hook that writes down what it is asked and told. */
function noting(name: string, notes: string[], over: Partial<PublishHook> = {}): PublishHook {
  const note = (what: string, { text }: Payload) => void notes.push(`${name} ${what} ${text}`);
  return {
    name,
    before: ({ payload }) => note("before", payload),
    after: ({ payload }) => note("after", payload),
    failed: ({ payload }) => note("failed", payload),
    ...over,
  };
}

function refusing(error: "permission_denied" | "not_available" = "permission_denied"): () => void {
  return () => {
    throw new ProtocolError(error);
  };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("hooks: they are asked and told in the order they were added", async () => {
  const { hub } = await heard();
  const notes: string[] = [];
  for (const name of ["a", "b"]) hub.addHook(noting(name, notes));
  publish(hub, "x");
  assert.deepEqual(notes, ["a before x", "b before x", "a after x", "b after x"]);
});

Deno.test("hooks: with hooks that answer at once publishing answers at once", async () => {
  const { hub } = await heard();
  hub.addHook(noting("a", []));
  assert.equal(publish(hub, "x") instanceof Promise, false);
});

Deno.test("hooks: a refusal keeps the message away, and only those that let it through are told", async () => {
  const { hub, texts } = await heard();
  const notes: string[] = [];
  hub.addHook(noting("a", notes));
  hub.addHook(noting("b", notes, { before: refusing() }));
  hub.addHook(noting("c", notes));
  assert.throws(
    () => publish(hub, "x"),
    (error) => error instanceof ProtocolError && error.error === "permission_denied",
  );
  assert.deepEqual(notes, ["a before x", "a failed x"]);
  assert.deepEqual(texts(), []);
});

Deno.test("hooks: a refusal that takes time is the same", async () => {
  const { hub, texts } = await heard();
  const notes: string[] = [];
  hub.addHook(noting("a", notes));
  hub.addHook(noting("b", notes, { before: () => turn().then(refusing()) }));
  hub.addHook(noting("c", notes));
  await assert.rejects(async () => await publish(hub, "x"), ProtocolError);
  assert.deepEqual(notes, ["a before x", "a failed x"]);
  assert.deepEqual(texts(), []);
});

Deno.test("hooks: what a hook changes is what the next one sees and what is delivered", async () => {
  const { hub, texts } = await heard();
  const notes: string[] = [];
  hub.addHook({
    name: "louder",
    before(publication) {
      publication.payload = { text: String(publication.payload.text).toUpperCase() };
    },
  });
  hub.addHook(noting("a", notes));
  publish(hub, "x");
  assert.deepEqual(texts(), ["X"]);
  assert.deepEqual(notes, ["a before X", "a after X"]);
});

Deno.test("hooks: what a hook makes larger than the limit is refused", async () => {
  const { hub, texts } = await heard({ maxMessage: () => 1000 });
  const notes: string[] = [];
  hub.addHook(noting("a", notes, {
    before(publication) {
      publication.payload = { text: "x".repeat(1000) };
    },
  }));
  assert.throws(
    () => publish(hub, "x"),
    (error) => error instanceof ProtocolError && error.error === "message_too_large",
  );
  assert.equal(notes.length, 1);
  assert.deepEqual(texts(), []);
});

Deno.test("hooks: one that throws or rejects after the commit is reported and harms nobody", async () => {
  const { hub, failures, texts } = await heard();
  const notes: string[] = [];
  hub.addHook({
    name: "broken",
    after() {
      throw new Error("at once");
    },
  });
  hub.addHook({ name: "later", after: () => Promise.reject(new Error("later")) });
  hub.addHook(noting("a", notes));
  const published = publish(hub, "x");
  await turn();
  assert.equal(published instanceof Promise ? 0 : published.offset, 1);
  assert.deepEqual(texts(), ["x"]);
  assert.deepEqual(notes, ["a before x", "a after x"]);
  assert.deepEqual(failures.map((error) => (error as Error).message), ["at once", "later"]);
});

Deno.test("hooks: nobody waits for one that takes its time after the commit", async () => {
  const { hub } = await heard();
  hub.addHook({ name: "slow", after: () => new Promise<void>(() => {}) });
  assert.equal(publish(hub, "x") instanceof Promise, false);
});

Deno.test("hooks: all are told when the engine fails", async () => {
  const engine = new MemoryEngine();
  const { hub } = await heard({ engine });
  const notes: string[] = [];
  hub.addHook(noting("a", notes));
  hub.addHook({ name: "b", before: () => {}, failed: noting("b", notes).failed! });
  engine.log.publish = () => {
    throw new ProtocolError("not_available");
  };
  assert.throws(() => publish(hub, "x"), ProtocolError);
  assert.deepEqual(notes.splice(0), ["a before x", "a failed x", "b failed x"]);
  engine.log.publish = () => Promise.reject(new ProtocolError("not_available")) as never;
  await assert.rejects(async () => await publish(hub, "y"), ProtocolError);
  assert.deepEqual(notes, ["a before y", "a failed y", "b failed y"]);
});

Deno.test("hooks: a commit that takes time is told once it is there", async () => {
  const engine = new MemoryEngine();
  const { hub } = await heard({ engine });
  const notes: string[] = [];
  hub.addHook(noting("a", notes));
  const commit = engine.log.publish.bind(engine.log);
  engine.log.publish =
    ((...asked: Parameters<typeof commit>) => turn().then(() => commit(...asked))) as never;
  const publishing = publish(hub, "x");
  assert.deepEqual(notes, ["a before x"]);
  await publishing;
  assert.deepEqual(notes, ["a before x", "a after x"]);
});

Deno.test("hooks: a message that is held holds later ones of its sender, and nobody else's", async () => {
  const { hub, texts } = await heard();
  const gates = new Map<string, PromiseWithResolvers<void>>();
  hub.addHook({
    name: "gate",
    before({ payload: { text } }) {
      if (!String(text).includes("held")) return undefined;
      const gate = Promise.withResolvers<void>();
      gates.set(String(text), gate);
      return gate.promise;
    },
  });
  const publishing = ["held 1", "two", "held 3", "four"].map((text) => publish(hub, text));
  void publish(hub, "other", "eve");
  await turn();
  assert.deepEqual(texts(), ["other"]);
  // The third one may go on before the first one: it still has to wait for it.
  gates.get("held 3")!.resolve();
  await turn();
  assert.deepEqual(texts(), ["other"]);
  gates.get("held 1")!.resolve();
  await Promise.all(publishing);
  assert.deepEqual(texts(), ["other", "held 1", "two", "held 3", "four"]);
  assert.equal(publish(hub, "five") instanceof Promise, false);
});

Deno.test("hooks: a refusal lets no later message overtake an earlier one", async () => {
  const { hub, texts } = await heard();
  const gate = Promise.withResolvers<void>();
  hub.addHook({
    name: "gate",
    before({ payload: { text } }) {
      if (text === "one") return gate.promise;
      return text === "two" ? turn().then(refusing()) : undefined;
    },
  });
  const [one, two, three] = ["one", "two", "three"].map((text) => publish(hub, text));
  await assert.rejects(two as Promise<unknown>, ProtocolError);
  await turn();
  assert.deepEqual(texts(), []);
  gate.resolve();
  await Promise.all([one, three]);
  assert.deepEqual(texts(), ["one", "three"]);
});

Deno.test("hooks: one for some types is not asked about others", async () => {
  const { hub } = await heard();
  const notes: string[] = [];
  hub.addHook(noting("operations", notes, { types: ["doc_op"] }));
  publish(hub, "x");
  assert.deepEqual(notes, []);
  const client = new FakeClient("s1", principal("ann"));
  const payload = { text: "o", data: new Uint8Array(1) };
  void hub.publish({ origin: "client", client, channel: "doc:a", type: "doc_op", id: "o", payload });
  assert.deepEqual(notes, ["operations before o", "operations after o"]);
});

Deno.test("hooks: two of one name are a mistake", async () => {
  const { hub } = await heard();
  hub.addHook({ name: "a", types: ["chat_message"] });
  assert.throws(() => hub.addHook({ name: "a", types: ["broadcast"] }), TypeError);
});

Deno.test("hooks: one that does not answer in time refuses, and is told so when it answers after all", async () => {
  const { hub, failures, texts } = await heard({ hookPatience: 5 });
  const notes: string[] = [];
  const answer = Promise.withResolvers<void>();
  hub.addHook(noting("a", notes));
  hub.addHook(noting("slow", notes, { before: () => answer.promise }));
  await assert.rejects(async () => await publish(hub, "x"), { error: "not_available" });
  assert.equal(failures.length, 1);
  assert.deepEqual(notes, ["a before x", "a failed x"]);
  answer.resolve();
  await turn();
  assert.deepEqual(notes, ["a before x", "a failed x", "slow failed x"]);
  assert.deepEqual(texts(), []);
});

Deno.test("hooks: a publication that is kept already is acknowledged as a duplicate, and not committed", async () => {
  const { hub, texts } = await heard();
  const notes: string[] = [];
  const before: PublishHook["before"] = (publication) => {
    publication.kept = { epoch: "e", offset: 7 };
  };
  hub.addHook(noting("a", notes, { before }));
  assert.deepEqual(await publish(hub, "x"), { epoch: "e", offset: 7, duplicate: true });
  assert.deepEqual(notes, ["a after x"]);
  assert.deepEqual(texts(), []);
});

import assert from "node:assert/strict";
import type { Log, Page } from "../../src/engine/contract.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import type { Subscribed } from "../../src/hub/mod.ts";
import { type FakeClient, join, makeHub, say } from "./support.ts";

/** A subscription that was sent the first of ten messages and waits for room at its client. */
async function paused() {
  const engine = new MemoryEngine();
  const { hub, failures } = makeHub({ engine, replay: { page: 2, tail: 2 } });
  const ann = await join(hub, "s1", "ann");
  for (let i = 1; i <= 10; i++) say(hub, "chat:a", `${i}`);
  const { epoch } = engine.log.position("chat:a");
  const free = Promise.withResolvers<void>();
  let room = 1;
  ann.ready = () => room-- > 0 ? undefined : free.promise;
  (hub.subscribe(ann, "chat:a", 1, { epoch, offset: 0 }) as Subscribed).start();
  assert.deepEqual(ann.offsets("chat:a"), [1]);
  return {
    engine,
    hub,
    failures,
    ann,
    go: async () => {
      ann.ready = () => undefined;
      free.resolve();
      for (let i = 0; i < 30; i++) await Promise.resolve();
    },
  };
}

const ends = (client: FakeClient) => client.of("unsubscribed").map(({ payload }) => payload.reason);

/** Replaces what the engine answers to reads. */
function answer(engine: MemoryEngine, page: (since: number, real: Page) => Page): void {
  const read = engine.log.read.bind(engine.log);
  (engine.log as { read: Log["read"] }).read = (channel, options = {}) =>
    page(options.since ?? 0, read(channel, options));
}

Deno.test("replay: history that goes away before it was sent ends the subscription, and no part of the rest is sent", async () => {
  const { engine, hub, ann, go } = await paused();
  engine.log.trim("chat:a", 8);
  await go();
  assert.deepEqual(ann.offsets("chat:a"), [1]);
  assert.deepEqual(ends(ann), ["unrecoverable_position"]);
  assert.equal(hub.isOn(ann, "chat:a"), false);
});

Deno.test("replay: history that is another one's than the answer said ends the subscription", async () => {
  const { engine, hub, ann, go } = await paused();
  answer(engine, (_since, page) => ({ ...page, epoch: "another" }));
  await go();
  assert.deepEqual(ann.offsets("chat:a"), [1]);
  assert.deepEqual(ends(ann), ["unrecoverable_position"]);
  assert.equal(hub.isOn(ann, "chat:a"), false);
});

Deno.test("replay: eight reads in a row that bring nothing end the subscription", async () => {
  const { engine, hub, ann, go } = await paused();
  let reads = 0;
  answer(engine, (since, page) => {
    reads++;
    return { ...page, offset: since, records: [] };
  });
  // More than the tail holds, so that they have to be read.
  for (const text of ["a", "b", "c"]) say(hub, "chat:a", text);
  await go();
  assert.equal(reads, 8);
  assert.deepEqual(ends(ann), ["not_available"]);
  assert.equal(hub.isOn(ann, "chat:a"), false);
});

Deno.test("replay: an engine that is behind for seven reads catches up, and so does the subscription, however often", async () => {
  const { engine, hub, ann, go } = await paused();
  let reads = 0;
  answer(engine, (since, page) => ++reads % 8 === 0 ? page : { ...page, offset: since, records: [] });
  for (const text of ["a", "b", "c"]) say(hub, "chat:a", text);
  await go();
  assert.deepEqual(ends(ann), []);
  say(hub, "chat:a", "live");
  assert.deepEqual(ann.offsets("chat:a"), Array.from({ length: 14 }, (_, i) => i + 1));
});

Deno.test("replay: pages of one message bring all of them, and ask for no more bytes than an outbox holds", async () => {
  const engine = new MemoryEngine();
  const { hub } = makeHub({ engine, replay: { page: 1, tail: 2 } });
  const ann = await join(hub, "s1", "ann");
  for (let i = 1; i <= 5; i++) say(hub, "chat:a", `${i}`);
  const { epoch } = engine.log.position("chat:a");
  const asked: unknown[] = [];
  const read = engine.log.read.bind(engine.log);
  (engine.log as { read: Log["read"] }).read = (channel, options = {}) => {
    asked.push([options.limit, options.bytes]);
    return read(channel, options);
  };
  (hub.subscribe(ann, "chat:a", 1, { epoch, offset: 0 }) as Subscribed).start();
  assert.deepEqual(ann.offsets("chat:a"), [1, 2, 3, 4, 5]);
  assert.ok(asked.length >= 5);
  for (const each of asked) assert.deepEqual(each, [1, 1_048_576]);
});

for (const [where, last] of [["a page", 3], ["the tail", 12]] as const) {
  Deno.test(`replay: a channel that is left while ${where} is sent is left for good`, async () => {
    const { hub, ann, go } = await paused();
    say(hub, "chat:a", "eleven");
    say(hub, "chat:a", "twelve");
    ann.onSend = ({ payload }) => {
      if (payload.offset === last) hub.unsubscribe(ann, "chat:a");
    };
    await go();
    assert.equal(ann.offsets("chat:a").at(-1), last);
    assert.equal(hub.isOn(ann, "chat:a"), false);
    say(hub, "chat:a", "later");
    assert.equal(ann.offsets("chat:a").at(-1), last);
    assert.ok(![...hub.channels()].some(({ channel }) => channel === "chat:a"));
  });
}

Deno.test("replay: a client that fails while it is asked for room has its subscription ended, and it is reported", async () => {
  const { hub, ann, failures, go } = await paused();
  const going = go();
  ann.ready = () => {
    throw new Error("broken client");
  };
  await going;
  assert.deepEqual(failures.map(String), ["Error: broken client"]);
  assert.deepEqual(ends(ann), ["not_available"]);
  assert.equal(hub.isOn(ann, "chat:a"), false);
});

for (const slow of [false, true]) {
  Deno.test(`replay: what is too large for ${slow ? "a slow" : "the"} client is told in its place, once for those in a row`, async () => {
    const { hub } = makeHub({ replay: { page: 4, tail: 2 } });
    const ann = await join(hub, "s1", "ann");
    ann.limits = { maxMessage: 600 };
    for (const [i, size] of [1, 20_000, 20_000, 1, 1, 1, 20_000, 1, 20_000, 20_000].entries()) {
      say(hub, "chat:a", `${i}`.padEnd(size, "."));
    }
    const { epoch } = hub.history("chat:a", { limit: 1 }) as { epoch: string };
    ann.clear();
    let room = slow ? 1 : Infinity;
    let free = Promise.withResolvers<void>();
    ann.ready = () => room > 0 ? undefined : free.promise;
    ann.onSend = () => room--;
    (hub.subscribe(ann, "chat:a", 1, { epoch, offset: 0 }) as Subscribed).start();
    for (let i = 0; slow && i < 20; i++) {
      room = 1;
      const freed = free;
      free = Promise.withResolvers<void>();
      freed.resolve();
      for (let turn = 0; turn < 3; turn++) await Promise.resolve();
    }
    const got = ann.sent.map(({ message: { type, payload } }) =>
      type === "server_notice"
        ? [payload.kind, payload.reason, payload.dropped, payload.epoch === epoch, payload.offset]
        : payload.offset
    );
    const left = (dropped: number, offset: number) => [
      "discontinuity",
      "message_too_large",
      dropped,
      true,
      offset,
    ];
    assert.deepEqual(got, [1, left(2, 3), 4, 5, 6, left(1, 7), 8, left(2, 10)]);
    assert.equal(hub.isOn(ann, "chat:a"), true);
  });
}

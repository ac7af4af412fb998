/** Streamed messages, which grow in their place: a part of the conformance suite. */

import assert from "node:assert/strict";
import type { Growth, Piece, StoredRecord } from "../../../src/engine/contract.ts";
import { type Bench, type Capabilities, KEEP, record, registerFor, until } from "./subject.ts";

const CHANNEL = "chat:a";
const PATIENCE = 20_000;

/** Registers the tests. */
export function growthConformance(capabilities: Capabilities): void {
  const test = registerFor(capabilities, "growth");

  const open = async (
    b: Bench,
    id = "m",
    content: Record<string, unknown> = { text: "" },
  ): Promise<number> => {
    const message = { ...record(id, b.time()), payload: { ...content, stream: "open" } };
    const options = { retention: KEEP, patience: PATIENCE };
    return (await b.engine.log.publish(CHANNEL, message, options)).offset;
  };
  const growth = (target: number, at: number, content: Growth["content"], more: Partial<Growth> = {}) => ({
    target,
    from: "ann",
    at,
    content,
    most: 65_536,
    patience: PATIENCE,
    ...more,
  });
  const kept = async ({ engine: { log } }: Pick<Bench, "engine">, target: number) =>
    (await log.get(CHANNEL, target)).record?.payload;
  const follow = async ({ engine: { log } }: Pick<Bench, "engine">): Promise<Piece[]> => {
    const pieces: Piece[] = [];
    log.onPiece((channel, piece) => channel === CHANNEL && void pieces.push(piece));
    await log.follow(CHANNEL, () => {});
    return pieces;
  };

  test("pieces make a text longer in its place, and followers get them in order", async (b) => {
    const pieces = await follow(b);
    const target = await open(b);
    const texts = ["The ", "answer", " is 42."];
    let at = 0;
    // Sent at once, so that an engine that commits in groups has all in one.
    const grown = await Promise.all(texts.map((text) => {
      const piece = growth(target, at, text);
      at += text.length;
      return b.engine.log.grow(CHANNEL, piece);
    }));
    assert.deepEqual(grown.map(({ length }) => length), [4, 10, 17]);
    assert.deepEqual(pieces.map(({ at, content }) => [at, content]), [[0, "The "], [4, "answer"], [
      10,
      " is 42.",
    ]]);
    const engines = [b, ...b.restart === undefined ? [] : [{ engine: await b.restart() }]];
    for (const each of engines) {
      assert.deepEqual(await kept(each, target), { text: texts.join(""), stream: "open" });
      const { records, offset } = await each.engine.log.read(CHANNEL);
      assert.deepEqual([records.length, offset], [1, target]);
    }
  });

  test("pieces make a list longer", async (b) => {
    const target = await open(b, "m", { data: [1] });
    await b.engine.log.grow(CHANNEL, growth(target, 1, [2, { three: 3 }], { end: "ended" }));
    assert.deepEqual(await kept(b, target), { data: [1, 2, { three: 3 }], stream: "ended" });
  });

  test("a piece that is known is not added again, and of one that is known in part the rest is", async (b) => {
    const pieces = await follow(b);
    const target = await open(b);
    await b.engine.log.grow(CHANNEL, growth(target, 0, "abc"));
    assert.deepEqual(await b.engine.log.grow(CHANNEL, growth(target, 0, "abc")), { length: 3 });
    assert.deepEqual(await b.engine.log.grow(CHANNEL, growth(target, 1, "bcde")), { length: 5 });
    assert.deepEqual((await kept(b, target))?.text, "abcde");
    assert.deepEqual(pieces.map(({ at, content }) => [at, content]), [[0, "abc"], [3, "de"]]);
  });

  test("what may not be added is refused and changes nothing", async (b) => {
    const target = await open(b);
    const plain =
      (await b.engine.log.publish(CHANNEL, record("plain", b.time()), { retention: KEEP })).offset;
    const refusal = async (piece: Growth) => (await b.engine.log.grow(CHANNEL, piece)).refused;
    await b.engine.log.grow(CHANNEL, growth(target, 0, "abc"));
    assert.equal(await refusal(growth(target, 4, "x")), "gap");
    assert.equal(await refusal(growth(target, 3, "x", { from: "bob" })), "foreign");
    assert.equal(await refusal(growth(target, 3, "x", { epoch: "another" })), "epoch");
    assert.equal(await refusal(growth(target, 0, [1])), "kind");
    assert.equal(await refusal(growth(target, 3, "x".repeat(100), { most: 90 })), "size");
    assert.equal(await refusal(growth(target + 7, 0, "x")), "unknown");
    assert.equal(await refusal(growth(plain, 5, "x")), "ended");
    assert.deepEqual(await kept(b, target), { text: "abc", stream: "open" });
    assert.deepEqual((await b.engine.log.grow("chat:none", growth(1, 0, "x"))).refused, "unknown");
  });

  test("nothing follows an end, but the last piece may be repeated", async (b) => {
    const pieces = await follow(b);
    const target = await open(b);
    const last = growth(target, 0, "all", { end: "failed" });
    await b.engine.log.grow(CHANNEL, last);
    assert.deepEqual(await b.engine.log.grow(CHANNEL, last), { length: 3 });
    assert.equal((await b.engine.log.grow(CHANNEL, growth(target, 3, "x"))).refused, "ended");
    assert.equal(
      (await b.engine.log.grow(CHANNEL, growth(target, 3, "", { end: "ended" }))).refused,
      "ended",
    );
    assert.deepEqual(await kept(b, target), { text: "all", stream: "failed" });
    assert.deepEqual(pieces.map(({ end }) => end), ["failed"]);
  });

  test("a message that was edited or erased grows no more", async (b) => {
    const [edited, erased] = [await open(b, "a"), await open(b, "b")];
    const message = record("edit", b.time());
    await b.engine.log.publish(CHANNEL, message, {
      retention: KEEP,
      edit: { kind: "replace", target: edited, content: { text: "new" } },
    });
    await b.engine.log.publish(CHANNEL, record("gone", b.time()), {
      retention: KEEP,
      edit: { kind: "erase", target: erased },
    });
    for (const target of [edited, erased]) {
      assert.equal((await b.engine.log.grow(CHANNEL, growth(target, 0, "x"))).refused, "ended");
    }
  });

  test("messages that grow at once do not disturb one another, nor what is published", async (b) => {
    const followed: StoredRecord[] = [];
    const targets = [await open(b, "a"), await open(b, "b")];
    await b.engine.log.follow(CHANNEL, (_channel, record) => void followed.push(record));
    const all: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i++) {
      for (const target of targets) {
        all.push(Promise.resolve(b.engine.log.grow(CHANNEL, growth(target, i, "x"))));
      }
      all.push(
        Promise.resolve(b.engine.log.publish(CHANNEL, record(`m${i}`, b.time()), { retention: KEEP })),
      );
    }
    await Promise.all(all);
    for (const target of targets) assert.equal((await kept(b, target))?.text, "x".repeat(20));
    assert.deepEqual(followed.map(({ id }) => id), Array.from({ length: 20 }, (_, i) => `m${i}`));
  });

  if (capabilities.clock) {
    test("who listens hears of what was interrupted, and of no other end, without following the channel", async (b) => {
      const heard: unknown[] = [];
      b.engine.log.onInterruption((channel, target) => void heard.push([channel, target]));
      const ended = await open(b), silent = await open(b);
      await b.engine.log.grow(CHANNEL, growth(ended, 0, "", { end: "ended" }));
      b.pass(PATIENCE);
      b.engine.sweep();
      await until(() => heard.length > 0);
      assert.deepEqual(heard, [[CHANNEL, silent]]);
    });

    test("a message whose sender is silent for too long ends with a mark", async (b) => {
      const pieces = await follow(b);
      const [grows, silent] = [await open(b, "a"), await open(b, "b", { data: [] })];
      b.pass(PATIENCE - 1000);
      await b.engine.log.grow(CHANNEL, growth(grows, 0, "abc"));
      b.pass(1000);
      await until(() => pieces.length === 2);
      assert.deepEqual(await kept(b, silent), { data: [], stream: "interrupted" });
      assert.deepEqual(await kept(b, grows), { text: "abc", stream: "open" });
      b.pass(PATIENCE);
      await until(() => pieces.length === 3);
      assert.deepEqual(pieces.at(-1), { target: grows, from: "ann", at: 3, content: "", end: "interrupted" });
      assert.equal((await b.engine.log.grow(CHANNEL, growth(grows, 3, "x"))).refused, "ended");
    });

    if (capabilities.restart) {
      test("a message that was open at a restart ends with a mark too", async (b) => {
        const target = await open(b);
        const engine = await b.restart!();
        const pieces = await follow({ engine });
        b.pass(PATIENCE);
        engine.sweep();
        await until(() => pieces.length === 1);
        assert.deepEqual(await kept({ engine }, target), { text: "", stream: "interrupted" });
      });
    }
  }

  if (capabilities.peers) {
    test("pieces that are added at one instance come to followers at another", async (b) => {
      const engine = await b.peer();
      const pieces = await follow({ engine });
      const target = await open(b);
      await b.engine.log.grow(CHANNEL, growth(target, 0, "abc"));
      await engine.log.grow(CHANNEL, growth(target, 3, "def", { end: "ended" }));
      assert.deepEqual(await kept(b, target), { text: "abcdef", stream: "ended" });
      assert.deepEqual(pieces.map(({ content }) => content), ["abc", "def"]);
      await engine.close();
    });
  }
}

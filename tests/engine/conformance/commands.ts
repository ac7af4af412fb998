/** Nodes, their sessions and the commands among them: a part of the conformance suite. */

import assert from "node:assert/strict";
import type { Claimed, CommandAnswer, Commands } from "../../../src/engine/contract.ts";
import { type Bench, type Capabilities, registerFor, settle, until } from "./subject.ts";

const LEASE = 10_000, WINDOW = 30_000;
const ANN = { session: "s1", user: "ann" };

async function announced({ commands }: { readonly commands: Commands }, name: string): Promise<Commands> {
  assert.equal(await commands.announce(name, LEASE), true);
  return commands;
}

/** Two nodes on one store. */
async function pair(b: Bench): Promise<{ a: Commands; b: Commands; close: () => unknown }> {
  const peer = await b.peer();
  return {
    a: await announced(b.engine, "a"),
    b: await announced(peer, "b"),
    close: () => peer.close(),
  };
}

async function claim(of: Commands, claim = ANN, revision?: number): Promise<Claimed | undefined> {
  return await of.claim(claim, revision === undefined ? { window: WINDOW } : { window: WINDOW, revision });
}

/** Who has the session, by the name of the node. */
async function ownerOf(asked: Commands, session = "s1"): Promise<string | undefined> {
  return (await asked.locate(session))?.node;
}

const names = async (asked: Commands) => (await asked.nodes()).map(({ name }) => name);

/** Registers the tests. */
export function commandConformance(capabilities: Capabilities): void {
  const test = registerFor(capabilities, "commands");

  test("a node is known once it has announced itself", async (b) => {
    const { commands } = b.engine;
    assert.deepEqual(await commands.nodes(), []);
    await announced(b.engine, "a");
    assert.deepEqual(await commands.nodes(), [{ node: commands.node, name: "a", since: b.time() }]);
    await commands.retire();
    assert.deepEqual(await commands.nodes(), []);
  });

  test("a session has one claim, found by session, user and bot until it is released", async ({ engine }) => {
    const { commands } = engine;
    await announced(engine, "a");
    const first = await claim(commands, ANN, 0);
    assert.equal(first?.previous, undefined);
    await claim(commands, { session: "s2", user: "ann" }, 0);
    await commands.claim({ session: "s3", user: "bob", bot: "helper" }, { window: WINDOW, revision: 0 });
    const { revision } = first!;
    assert.deepEqual(await commands.locate("s1"), { ...ANN, node: commands.node, revision });
    const sessions = async (of: Parameters<Commands["find"]>[0]) =>
      (await commands.find(of)).map(({ session }) => session).sort();
    assert.deepEqual(await sessions({ user: "ann" }), ["s1", "s2"]);
    assert.deepEqual(await sessions({ bot: "helper" }), ["s3"]);
    assert.equal(await commands.release("s1", revision + 1000), false);
    assert.equal(await commands.release("s1", revision), true);
    assert.equal(await commands.release("s1", revision), false);
    assert.equal(await commands.locate("s1"), undefined);
    assert.deepEqual(await sessions({ user: "ann" }), ["s2"]);
    assert.deepEqual(await sessions({ user: "nobody" }), []);
  });

  test("a session is claimed as it was asked for", async ({ engine }) => {
    const { commands } = engine;
    await announced(engine, "a");
    assert.equal(await claim(commands), undefined, "there is none to be resumed");
    const first = await claim(commands, ANN, 0);
    assert.equal(await claim(commands, ANN, 0), undefined, "there is one");
    assert.equal(await claim(commands, { session: "s1", user: "bob" }), undefined, "it is another user's");
    const second = await claim(commands);
    assert.equal(second?.previous, commands.node);
    assert.ok(second!.revision > first!.revision);
    assert.equal(await claim(commands, ANN, first!.revision), undefined, "it was claimed again");
    const third = await commands.claim({ ...ANN, bot: "helper" }, {
      window: WINDOW,
      revision: second!.revision,
    });
    assert.ok(third!.revision > second!.revision);
    assert.equal((await commands.locate("s1"))?.bot, "helper");
    await claim(commands);
    assert.deepEqual(await commands.find({ bot: "helper" }), []);
  });

  test("a node may ask itself", async ({ engine }) => {
    const commands = await announced(engine, "a");
    commands.onCommand(({ type, payload }, from) => ({ type, from, sum: (payload.n as number) + 1 }));
    const answer = await commands.send(commands.node, { type: "add", payload: { n: 1 } }, 1000);
    assert.deepEqual(answer, { answer: { type: "add", from: commands.node, sum: 2 } });
    assert.deepEqual(await commands.broadcast({ type: "add", payload: { n: 1 } }, 1000), []);
  });

  test("commands and answers are data that nobody shares", async ({ engine }) => {
    const commands = await announced(engine, "a");
    const seen: unknown[] = [];
    const list = ["kept"];
    commands.onCommand(({ payload }) => {
      seen.push(payload);
      return { list };
    });
    const payload = { list: ["sent"], bytes: new Uint8Array([1, 2]) };
    const result = await commands.send(commands.node, { type: "t", payload }, 1000);
    payload.list.push("later");
    list.push("later");
    assert.deepEqual(seen, [{ list: ["sent"], bytes: new Uint8Array([1, 2]) }]);
    assert.deepEqual(result, { answer: { list: ["kept"] } });
    await assert.rejects(commands.send(commands.node, { type: "t", payload: { call: () => {} } }, 1000));
  });

  test("what fails has a code", async (b) => {
    const commands = await announced(b.engine, "a");
    const ask = (type: string, payload = {}) => commands.send(commands.node, { type, payload }, 1000);
    assert.deepEqual(await ask("t"), { failed: "node_gone" }, "nobody listens yet");
    commands.onCommand(({ type }) => {
      if (type === "throws") throw new Error("broken handler");
      if (type === "rejects") return Promise.reject(new Error("broken handler"));
      if (type === "not data") return { call: () => {} };
      return { text: "x".repeat(type === "long" ? 2_000_000 : 1) };
    });
    for (const type of ["throws", "rejects", "not data"]) {
      assert.deepEqual(await ask(type), { failed: "handler_failed" });
    }
    assert.deepEqual(await ask("long"), { failed: "too_large" });
    assert.deepEqual(await ask("short", { text: "x".repeat(2_000_000) }), { failed: "too_large" });
    assert.deepEqual(await ask("short"), { answer: { text: "x" } });
    assert.deepEqual(await commands.send("nobody", { type: "t", payload: {} }, 1000), {
      failed: "node_gone",
    });
    await commands.retire();
    assert.deepEqual(await ask("short"), { failed: "node_gone" });
  });

  test("an answer has a deadline, and one that comes later harms nobody", async (b) => {
    const commands = await announced(b.engine, "a");
    const slow = Promise.withResolvers<Record<string, unknown>>();
    commands.onCommand(({ type }) => type === "slow" ? slow.promise : { quick: true });
    let result: CommandAnswer | undefined;
    const asking = commands.send(commands.node, { type: "slow", payload: {} }, 50)
      .then((answer) => result = answer);
    const other = await commands.send(commands.node, { type: "quick", payload: {} }, 50);
    assert.deepEqual(other, { answer: { quick: true } }, "a slow command holds up no other");
    assert.equal(result, undefined);
    await b.elapse(60);
    await asking;
    assert.deepEqual(result, { failed: "timeout" });
    slow.resolve({ late: true });
    await settle();
    assert.deepEqual(result, { failed: "timeout" });
  });

  if (capabilities.clock) {
    test("a node that is silent for its lease is dead, and its claims lapse with their window", async (b) => {
      const commands = await announced(b.engine, "a");
      commands.onCommand(() => ({}));
      const { revision } = (await claim(commands, ANN, 0))!;
      for (let i = 0; i < 10; i++) {
        b.pass(LEASE / 2);
        assert.equal(await commands.announce("a", LEASE), true);
      }
      assert.equal((await commands.locate("s1"))?.revision, revision, "it lives as long as its node");
      b.pass(LEASE);
      assert.deepEqual(await commands.nodes(), []);
      assert.deepEqual(await commands.send(commands.node, { type: "t", payload: {} }, 50), {
        failed: "node_gone",
      });
      b.pass(WINDOW - 1);
      assert.equal(await ownerOf(commands), commands.node);
      b.pass(1);
      assert.equal(await commands.locate("s1"), undefined);
      assert.deepEqual(await commands.find({ user: "ann" }), []);
      assert.equal(await claim(commands), undefined, "it cannot be resumed any more");
      assert.equal(await commands.release("s1", revision), false);
      assert.equal(await commands.announce("a", LEASE), false, "it learns that its claims have gone");
      assert.equal(await commands.announce("a", LEASE), true);
      assert.deepEqual(await names(commands), ["a"]);
      assert.notEqual(await claim(commands, ANN, 0), undefined, "it may claim its session again");
    });
  }

  if (!capabilities.peers) return;

  test("nodes know each other, the oldest first", async (b) => {
    const { a, b: other } = await pair(b);
    assert.notEqual(a.node, other.node);
    assert.deepEqual(await names(a), ["a", "b"]);
    assert.deepEqual(await names(other), ["a", "b"]);
    assert.equal(await ownerOf(other), undefined);
    await claim(a, ANN, 0);
    assert.equal(await ownerOf(other), a.node);
    assert.deepEqual((await other.find({ user: "ann" })).map(({ node }) => node), [a.node]);
  });

  test("a node asks another, and all others", async (b) => {
    const { a, b: other } = await pair(b);
    a.onCommand(() => ({ at: "a" }));
    other.onCommand(({ type }, from) => {
      if (type === "throws") throw new Error("broken handler");
      return { at: "b", from };
    });
    const command = { type: "t", payload: {} };
    assert.deepEqual(await a.send(other.node, command, 1000), { answer: { at: "b", from: a.node } });
    assert.deepEqual(await a.broadcast(command, 1000), [
      { node: other.node, result: { answer: { at: "b", from: a.node } } },
    ]);
    assert.deepEqual(await a.send(other.node, { type: "throws", payload: {} }, 1000), {
      failed: "handler_failed",
    });
  });

  test("a session that another node claims is lost to the first, which is told", async (b) => {
    const { a, b: other } = await pair(b);
    const lost: unknown[] = [];
    a.onLost((...loss) => lost.push(loss));
    other.onLost(() => assert.fail("it has lost nothing"));
    const first = await claim(a, ANN, 0);
    const second = await claim(other);
    assert.equal(second?.previous, a.node);
    assert.ok(second!.revision > first!.revision);
    await until(() => lost.length > 0);
    assert.deepEqual(lost, [["s1", second!.revision, other.node]]);
    assert.equal(await a.release("s1", first!.revision), false);
    assert.equal(await a.release("s1", second!.revision), false, "it is not its own");
    assert.equal(await ownerOf(a), other.node);
  });

  test("of claims at once each takes the session from the one before, and the last one has it", async (b) => {
    const { a, b: other } = await pair(b);
    const first = (await claim(a, ANN, 0))!;
    const claims = await Promise.all([a, other, a, other].map((node) => claim(node)));
    const inOrder = claims.map((claimed) => claimed!.revision).sort((x, y) => x - y);
    assert.equal(new Set([first.revision, ...inOrder]).size, 5);
    const last = await a.locate("s1");
    assert.equal(last?.revision, inOrder.at(-1));
    const exactly = await Promise.all([a, other].map((node) => claim(node, ANN, last!.revision)));
    assert.equal(exactly.filter((claimed) => claimed !== undefined).length, 1);
  });

  test("a node that retires or dies leaves its sessions to others", async (b) => {
    const { a, b: other, close } = await pair(b);
    await claim(other, ANN, 0);
    await claim(other, { session: "s2", user: "ann" }, 0);
    await other.retire();
    assert.deepEqual(await names(a), ["a"]);
    assert.equal((await claim(a))?.previous, other.node);
    await close();
    assert.deepEqual(await a.send(other.node, { type: "t", payload: {} }, 50), { failed: "node_gone" });
    assert.equal((await claim(a, { session: "s2", user: "ann" }))?.previous, other.node);
  });

  test("a dead node cannot be asked, and its session can be had before its lease ends", async (b) => {
    const { a, b: other, close } = await pair(b);
    await claim(other, ANN, 0);
    await close();
    const asking = a.send(other.node, { type: "t", payload: {} }, 50);
    await b.elapse(60);
    const result = await asking;
    assert.ok("failed" in result && (result.failed === "node_gone" || result.failed === "timeout"));
    assert.equal((await claim(a))?.previous, other.node);
    assert.equal(await ownerOf(a), a.node);
  });
}

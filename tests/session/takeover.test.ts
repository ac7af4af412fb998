/** Sessions on two nodes with one store: one of them has a session, whatever both do at once. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import { MemoryStore } from "../../src/engine/memory/store.ts";
import type { SessionClaims } from "../../src/session/claims.ts";
import { FakeClock } from "../support/clock.ts";
import { authenticated, memoryNode, settle, type TestPeer } from "./support.ts";

type Node = ReturnType<typeof memoryNode> & { readonly name: string; readonly engine: MemoryEngine };

/** Nodes on one store. `wrap` may delay what the store answers. */
function nodesOf(
  names: readonly string[],
  wrap: (claims: SessionClaims) => SessionClaims = (claims) => claims,
) {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const all = names.map((name): Node => {
    const engine = new MemoryEngine({ store });
    engine.commands.announce(name, 1_000_000);
    return { ...memoryNode({ clock, claims: wrap(engine.commands) }), name, engine };
  });
  return { clock, store, all };
}

const answerOf = (peer: TestPeer) => peer.of("auth_response")[0]!.payload;
const idOf = (peer: TestPeer): string => answerOf(peer).sessionId as string;
const resume = (node: Node, sessionId: string, token = "ok:ann") =>
  authenticated(node, token, { resume: { sessionId, channels: {} } });

Deno.test("takeover: a session goes on on another node, and the first one ends its connection with 3503", async () => {
  const { all: [a, b] } = nodesOf(["a", "b"]);
  const first = await authenticated(a!);
  const session = idOf(first);
  const second = await resume(b!, session);
  assert.deepEqual([answerOf(second).resumed, idOf(second)], [true, session]);
  assert.equal((await first.peer.closed).code, 3503);
  assert.deepEqual(b!.observer.of("resumed"), ["moved"]);
  assert.deepEqual(a!.sessions.counts, { attached: 0, detached: 0 });
  assert.deepEqual(b!.sessions.counts, { attached: 1, detached: 0 });
  const to = b!.engine.commands.node;
  assert.deepEqual(a!.membership.calls.slice(2), [`hand over ${session} to ${to}`]);
});

Deno.test("takeover: a session that waits for its client is resumed on another node", async () => {
  const { all: [a, b] } = nodesOf(["a", "b"]);
  const first = await authenticated(a!);
  first.peer.close(1006, "network");
  assert.deepEqual(a!.sessions.counts, { attached: 0, detached: 1 });
  const second = await resume(b!, idOf(first));
  assert.equal(answerOf(second).resumed, true);
  await settle();
  assert.deepEqual(a!.sessions.counts, { attached: 0, detached: 0 });
  // What the first node knew of it does not end it now.
  await a!.advance(300_000);
  assert.ok(!a!.membership.calls.some((call) => call.startsWith("leave")));
  const back = await resume(a!, idOf(first));
  assert.deepEqual([answerOf(back).resumed, idOf(back)], [true, idOf(first)]);
  assert.equal((await second.peer.closed).code, 3503);
});

Deno.test("takeover: another user's session is not to be had on another node", async () => {
  const { all: [a, b] } = nodesOf(["a", "b"]);
  const ann = await authenticated(a!);
  const bob = await resume(b!, idOf(ann), "ok:bob");
  assert.equal(answerOf(bob).resumed, false);
  assert.notEqual(idOf(bob), idOf(ann));
  await settle();
  assert.deepEqual(a!.sessions.counts, { attached: 1, detached: 0 });
});

Deno.test("takeover: a session that has ended is expired on every node", async () => {
  const { all: [a, b] } = nodesOf(["a", "b"]);
  const first = await authenticated(a!);
  first.peer.close(1000, "bye");
  await settle();
  assert.equal(answerOf(await resume(b!, idOf(first))).resumed, false);
  assert.deepEqual(b!.observer.of("resumed"), ["expired"]);
});

Deno.test("takeover: the session of a node that died is resumed within its window, and not after it", async () => {
  const { clock, all: [a, b] } = nodesOf(["a", "b"]);
  a!.engine.commands.announce("a", 10_000);
  const [first, second] = [await authenticated(a!), await authenticated(a!)];
  a!.engine.close();
  await clock.advance(10_000 + 119_000);
  assert.equal(answerOf(await resume(b!, idOf(first))).resumed, true);
  await clock.advance(1_000);
  b!.engine.sweep();
  assert.equal(answerOf(await resume(b!, idOf(second))).resumed, false);
});

Deno.test("takeover: a node that was taken for dead claims again what nobody took", async () => {
  const { clock, all: [a, b] } = nodesOf(["a", "b"]);
  a!.engine.commands.announce("a", 10_000);
  const [kept, taken, silent] = [await authenticated(a!), await authenticated(a!), await authenticated(a!)];
  await clock.advance(20_000);
  await resume(b!, idOf(taken));
  await settle();
  clock.sleep(200_000);
  b!.engine.sweep();
  assert.equal(b!.engine.commands.locate(idOf(kept)), undefined);
  assert.equal(a!.engine.commands.announce("a", 10_000), false);
  a!.sessions.reclaim();
  const owners = [kept, taken, silent].map((peer) => b!.engine.commands.locate(idOf(peer))?.node);
  const [here, there] = [a!.engine.commands.node, b!.engine.commands.node];
  assert.deepEqual(owners, [here, there, here]);
  assert.equal(answerOf(await resume(b!, idOf(kept))).resumed, true);
});

Deno.test("takeover: without an answer of the engine the client is told to come again", async () => {
  let down = false;
  const { all: [a] } = nodesOf(["a"], (claims) => ({
    ...wrapped(claims, (act) => down ? Promise.reject(new Error("no answer")) : act()),
  }));
  down = true;
  const peer = a!.connect();
  const refused = await peer.send("auth_request", { token: "ok:ann" });
  assert.deepEqual(refused?.payload.name, "not_available");
  down = false;
  const answer = await peer.send("auth_request", { token: "ok:ann" });
  assert.equal(answer?.type, "auth_response");
  down = true;
  peer.peer.close(1000, "bye");
  await settle();
  assert.deepEqual(a!.sessions.counts, { attached: 0, detached: 0 });
  assert.ok(a!.membership.calls.some((call) => call.startsWith("leave")), "it is over for others too");
  assert.equal(a!.observer.of("claim of a session failed").length, 1);
});

Deno.test("takeover: a token with another bot makes the session the other bot's", async () => {
  const { all: [a] } = nodesOf(["a"]);
  const { commands } = a!.engine;
  const peer = await authenticated(a!, "ok:ann");
  const find = (bot: string) => commands.find({ bot }).map(({ session }) => session);
  assert.deepEqual(find("helper"), []);
  await peer.send("auth_refresh", { token: "ok:ann::helper" });
  assert.deepEqual(find("helper"), [idOf(peer)]);
  await peer.send("auth_refresh", { token: "ok:ann" });
  assert.deepEqual(find("helper"), []);
  peer.peer.close(1000, "bye");
  assert.equal(commands.locate(idOf(peer)), undefined, "the newest revision is released");
});

/** Claims whose calls and losses go through `by`. */
function wrapped(claims: SessionClaims, by: <T>(act: () => T) => T | Promise<Awaited<T>>): SessionClaims {
  return {
    claim: (...args) => by(() => claims.claim(...args)) as ReturnType<SessionClaims["claim"]>,
    release: (...args) => by(() => claims.release(...args)) as ReturnType<SessionClaims["release"]>,
    locate: (session) => by(() => claims.locate(session)) as ReturnType<SessionClaims["locate"]>,
    onLost: (listener) =>
      claims.onLost((...loss) => {
        const told = by(() => listener(...loss));
        if (told instanceof Promise) told.catch(() => {});
      }),
  };
}

/** A store whose answers come when the test says so, in any order. */
class Delays {
  readonly #tasks: (() => void)[] = [];

  readonly by = <T>(act: () => T): Promise<Awaited<T>> => {
    const { promise, resolve } = Promise.withResolvers<Awaited<T>>();
    this.#tasks.push(() => {
      const value = act() as Awaited<T>;
      this.#tasks.push(() => resolve(value));
    });
    return promise;
  };

  get waiting(): number {
    return this.#tasks.length;
  }

  async step(pick: number): Promise<void> {
    const [task] = this.#tasks.splice(pick % this.#tasks.length, 1);
    task?.();
    await settle();
  }
}

/**
 * Validates: whatever order the store's answers and the news of lost sessions come in, one node has the session at the
 * end, it is the one that the store names, and every connection but the session's has ended.
 */
Deno.test("Feature: quic-transport, Property 80: of resumes at once on any nodes exactly one has the session", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          { weight: 3, arbitrary: fc.record({ kind: fc.constant("resume" as const), node: fc.nat(2) }) },
          { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose" as const), peer: fc.nat(20) }) },
          { weight: 6, arbitrary: fc.record({ kind: fc.constant("step" as const), pick: fc.nat(20) }) },
        ),
        { minLength: 4, maxLength: 40 },
      ),
      async (steps) => {
        const delays = new Delays();
        let delayed = false;
        const { all } = nodesOf(["a", "b", "c"], (claims) => {
          const slow = wrapped(claims, delays.by);
          return {
            ...claims,
            ...wrapped(claims, (act) => delayed ? delays.by(act) : act()),
            onLost: slow.onLost,
          };
        });
        const first = await authenticated(all[0]!);
        const session = idOf(first);
        delayed = true;
        const peers: TestPeer[] = [first];
        for (const step of steps) {
          if (step.kind === "resume") {
            const peer = all[step.node]!.connect();
            peers.push(peer);
            void peer.send("auth_request", {
              token: "ok:ann",
              resume: { sessionId: session, channels: {} },
            });
            await settle();
          } else if (step.kind === "lose") peers[step.peer % peers.length]!.peer.close(1006, "network");
          else await delays.step(step.pick);
        }
        while (delays.waiting > 0) await delays.step(0);
        await settle();
        const having = all.filter(({ sessions }) => sessions.counts.attached + sessions.counts.detached > 0);
        assert.ok(having.length <= 1, `${having.map(({ name }) => name)} have the session`);
        const owner = all[0]!.engine.commands.locate(session)?.node;
        assert.deepEqual(
          having.map(({ engine }) => engine.commands.node),
          owner === undefined ? [] : [owner],
        );
        const open = all.reduce((sum, { sessions }) => sum + sessions.connections.size, 0);
        assert.equal(open, having[0]?.sessions.counts.attached ?? 0, "every other connection has ended");
        assert.ok(owner !== undefined, "a session is not lost by being resumed");
      },
    ),
    { numRuns: 100 },
  ));

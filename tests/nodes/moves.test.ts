/** A client that moves between nodes, by choice and because networks and nodes fail. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { CarrierKind, Received, TestClient } from "../support/client.ts";
import { settle } from "../support/clock.ts";
import { Roamer } from "./roamer.ts";
import { authOf, Cluster, type TestNode, tokenOf, until } from "./support.ts";

interface Point {
  readonly epoch: string;
  readonly offset: number;
}

/** A client that keeps its place on a channel, whatever connection it is on. */
class Mover {
  client!: TestClient;
  /** What it was given: each message once, in order. */
  readonly got: unknown[] = [];
  readonly problems: string[] = [];
  readonly acks = new Map<string, number>();
  readonly #cluster: Cluster;
  readonly #channel: string;
  readonly #token: string;
  #point: Point | undefined;
  #sessionId = "";
  readonly #read = new Map<TestClient, number>();
  /** Messages that are not acknowledged, by id. */
  readonly #unacknowledged = new Map<string, string>();

  constructor(cluster: Cluster, channel: string, token: string) {
    this.#cluster = cluster;
    this.#channel = channel;
    this.#token = token;
  }

  async begin(node: TestNode, kind: CarrierKind): Promise<void> {
    this.client = await node.dial(kind);
    await this.client.authenticate(this.#token);
    this.#sessionId = authOf(this.client).sessionId;
    const { payload } = await this.client.ask("subscribe", { channel: this.#channel });
    this.#point = payload as unknown as Point;
  }

  /** Goes on at a node. `broken`: the earlier connection has ended before. */
  async move(to: number, kind: CarrierKind, broken: boolean): Promise<void> {
    const before = this.client;
    if (broken) await before.close(4000, "the network broke");
    this.take();
    const { epoch, offset } = this.#point!;
    const next = await this.#cluster.nodes[to]!.dial(kind);
    const answer = await next.authenticate(this.#token, {
      sessionId: this.#sessionId,
      channels: { [this.#channel]: { epoch, offset } },
    });
    const { resumed, sessionId, channels } = answer.payload as Record<string, never>;
    assert.deepEqual([resumed, sessionId], [true, this.#sessionId]);
    assert.equal(
      (channels as unknown as Record<string, { recovered: boolean }>)[this.#channel]!.recovered,
      true,
    );
    // What came on the earlier one meanwhile counts, as long as it is in order.
    this.take();
    this.client = next;
    if (!broken) assert.equal((await before.ended()).code, 3503);
    await before.close();
    for (const [id, text] of this.#unacknowledged) await this.#send(id, text);
  }

  /** Says something; what is not acknowledged is sent again after a move. */
  async say(text: string): Promise<void> {
    const id = crypto.randomUUID();
    this.#unacknowledged.set(id, text);
    await this.#send(id, text);
  }

  /** Reads what has come on the connection. */
  take(): void {
    const { messages } = this.client;
    for (let at = this.#read.get(this.client) ?? 0; at < messages.length; at++) this.#one(messages[at]!);
    this.#read.set(this.client, messages.length);
  }

  get isSettled(): boolean {
    this.take();
    return this.#unacknowledged.size === 0;
  }

  #one({ type, re, payload }: Received): void {
    if (type === "message_ack" && this.#unacknowledged.delete(re!)) {
      this.acks.set(re!, payload.offset as number);
    }
    if (type !== "chat_message" || payload.channel !== this.#channel) return;
    const { offset, prev, text } = payload as { offset: number; prev: number; text: string };
    if (offset <= this.#point!.offset) return;
    if (prev !== this.#point!.offset) {
      this.problems.push(`${offset} came after ${this.#point!.offset}, not after ${prev}`);
    }
    this.#point = { ...this.#point!, offset };
    this.got.push(text);
  }

  async #send(id: string, text: string): Promise<void> {
    await this.client.send("chat_message", { channel: this.#channel, text }, { id });
  }
}

const kinds = fc.constantFrom<CarrierKind>("quic", "websocket", "webtransport");
const move = fc.record({
  kind: fc.constant("move" as const),
  to: fc.nat(2),
  over: kinds,
  broken: fc.boolean(),
});
const say = fc.record({ kind: fc.constant("say" as const), who: fc.constantFrom("ann", "bob", "carol") });

/**
 * Validates: whichever nodes and transports a session moves between, and whether its earlier connection lives or not, what
 * is said on any node comes once and in order, and what its client says has one effect.
 */
Deno.test("Feature: quic-transport, Property 81: a session that moves between nodes misses nothing and gets nothing twice", async () => {
  // The store answers after some turns of the event loop, one call sooner than another, as a store elsewhere does.
  let calls = 0;
  await using cluster = await Cluster.start(3, {}, async () => {
    for (let turns = calls++ * 7 % 4; turns > 0; turns--) await settle();
  });
  const others = {
    bob: await cluster.connect(cluster.nodes[0]!, "websocket", "bob"),
    carol: await cluster.connect(cluster.nodes[1]!, "quic", "carol"),
  };
  const token = await tokenOf("ann");
  const steps = fc.array(fc.oneof({ weight: 2, arbitrary: move }, { weight: 3, arbitrary: say }), {
    minLength: 3,
    maxLength: 14,
  });
  await fc.assert(
    fc.asyncProperty(fc.nat(2), kinds, steps, fc.uuid(), async (begin, kind, steps, room) => {
      const channel = `chat:${room}`;
      const ann = new Mover(cluster, channel, token);
      await ann.begin(cluster.nodes[begin]!, kind);
      const said: Promise<Received>[] = [];
      let own = 0;
      for (const [n, step] of steps.entries()) {
        if (step.kind === "move") await ann.move(step.to, step.over, step.broken);
        else if (step.who === "ann") own++, await ann.say(`ann ${n}`);
        else said.push(others[step.who as "bob"].ask("chat_message", { channel, text: `${step.who} ${n}` }));
      }
      await Promise.all(said);
      await until("all that ann said is acknowledged", () => ann.isSettled);
      const { payload } = await others.bob.ask("history", { channel, limit: 100 });
      const kept = (payload.messages as { text: string }[]).map(({ text }) => text);
      assert.equal(kept.length, said.length + own);
      assert.equal(new Set(kept).size, kept.length, "each has one effect");
      await until("all has come", () => (ann.take(), ann.got.length >= kept.length));
      assert.deepEqual([ann.got, ann.problems], [kept, []]);
      await ann.client.close(1000);
    }),
    { numRuns: 100 },
  );
  for (const client of Object.values(others)) await client.close();
});

/**
 * Validates: a client of the SDK whose network sends it from node to node in the middle of a conversation keeps its
 * session, and everything that both sides say comes once and in order.
 */
Deno.test("Feature: quic-transport, Property 82: the SDK keeps a session across nodes", async () => {
  await using cluster = await Cluster.start(2);
  await using bob = await cluster.connect(cluster.nodes[1]!, "websocket", "bob");
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("ann", "bob", "move", "move and say"), { minLength: 4, maxLength: 20 }),
      fc.uuid(),
      async (steps, room) => {
        await using ann = new Roamer(cluster, "ann", { enableQuic: false });
        const channel = `chat:${room}`;
        const got: string[] = [];
        await ann.client.channel(channel).subscribe(({ text }) => got.push(text!));
        const receipts: Promise<unknown>[] = [];
        let at = 0;
        for (const [n, step] of steps.entries()) {
          if (step.startsWith("move")) ann.move(at = 1 - at);
          if (step === "move") await until("it is back", () => ann.client.manager.isConnected());
          if (step === "bob") receipts.push(bob.ask("chat_message", { channel, text: `bob ${n}` }));
          if (step === "ann" || step === "move and say") {
            receipts.push(ann.client.channel(channel).publish(`ann ${n}`));
          }
        }
        await Promise.all(receipts);
        const { payload } = await bob.ask("history", { channel, limit: 100 });
        const kept = (payload.messages as { text: string }[]).map(({ text }) => text);
        assert.equal(kept.length, receipts.length);
        await until("all has come", () => got.length >= kept.length);
        assert.deepEqual(got, kept);
        assert.equal(ann.sessions.size, 1, "it has one session");
      },
    ),
    { numRuns: 100 },
  );
});

const ALONE = { quic: { enableWebSocket: false }, websocket: { enableQuic: false } };

for (const name of ["quic", "websocket"] as const) {
  for (const how of ["dies", "ends"] as const) {
    Deno.test(`nodes: the SDK goes on at another node when its own ${how} (${name})`, async () => {
      // A dead peer is found by the heartbeat, which is short here so that the test is.
      const heartbeat = { interval: "200ms", timeout: "1s" } as const;
      await using cluster = await Cluster.start(2, { session: { heartbeat } });
      const [first, second] = cluster.nodes as [TestNode, TestNode];
      await using bob = await cluster.connect(second, "websocket", "bob");
      const alive = setInterval(() => void bob.send("ping", {}).catch(() => {}), 200);
      try {
        await using ann = new Roamer(cluster, "ann", ALONE[name]);
        const got: string[] = [];
        await ann.client.channel("chat:talk").subscribe(({ text }) => got.push(text!));
        await bob.ask("chat_message", { channel: "chat:talk", text: "before" });
        await until("it has come", () => got.length === 1);
        if (how === "dies") first.kill();
        else await cluster.stop(first);
        await bob.ask("chat_message", { channel: "chat:talk", text: "meanwhile" });
        ann.move(1);
        const receipt = ann.client.channel("chat:talk").publish("here I am");
        await until("it is on the other node", () => got.length === 3);
        await receipt;
        assert.deepEqual(got, ["before", "meanwhile", "here I am"]);
        assert.equal(ann.sessions.size, 1);
      } finally {
        clearInterval(alive);
      }
    });
  }
}

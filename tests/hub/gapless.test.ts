import assert from "node:assert/strict";
import fc from "fast-check";
import { setImmediate } from "node:timers";
import type { MaybePromise } from "../../src/engine/contract.ts";
import { MemoryEngine } from "../../src/engine/memory/engine.ts";
import type { Position } from "../../src/engine/contract.ts";
import { DEFAULT_NAMESPACE, Hub, type Subscribed } from "../../src/hub/mod.ts";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { DelayedEngine } from "./delayed.ts";
import { Coalescer } from "../../src/hub/coalescer.ts";
import { FakeClock } from "../support/clock.ts";
import { FakeClient, principal } from "./support.ts";

const CHANNELS = ["chat:a", "chat:b"] as const;
const SESSIONS = 3;

type Step =
  | { kind: "publish"; channel: number; count: number }
  | { kind: "subscribe"; session: number; channel: number; since: boolean; lane: number }
  | { kind: "unsubscribe" | "stop"; session: number; channel: number }
  | { kind: "reconnect" | "detach" | "start" | "busy" | "free"; session: number }
  | { kind: "run"; picks: number[] }
  | { kind: "sweep" };

const session = fc.nat(SESSIONS - 1);
const channel = fc.nat(CHANNELS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("publish" as const),
      channel,
      count: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("subscribe" as const),
      session,
      channel,
      since: fc.boolean(),
      lane: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("unsubscribe" as const, "stop" as const),
      session,
      channel,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "reconnect" as const,
        "detach" as const,
        "start" as const,
        "busy" as const,
        "free" as const,
      ),
      session,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("run" as const),
      picks: fc.array(fc.nat(1000), { minLength: 1, maxLength: 30 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sweep" as const) }) },
);

/** A device: checks what its connections are sent, as an application would see it. */
class Device {
  readonly #hub: Hub;
  readonly #id: number;
  /** Whether the history reaches back as far as anybody may ask. */
  readonly #kept: boolean;
  readonly problems: string[] = [];
  /** Position by channel, across connections. */
  readonly #have = new Map<string, Position>();
  /** On the connection of now: channels that were answered and neither left nor stopped. */
  readonly #on = new Set<string>();
  #client: FakeClient | undefined;
  #start: (() => void) | undefined;
  #connections = 0;
  #free: (() => void) | undefined;
  #room: Promise<void> | undefined;

  constructor(hub: Hub, id: number, kept: boolean) {
    this.#hub = hub;
    this.#id = id;
    this.#kept = kept;
  }

  /** Channels it is on and where it stands there. */
  get standing(): [string, Position][] {
    return [...this.#on].map((channel) => [channel, this.#have.get(channel)!]);
  }

  reconnect(): void {
    const client = new FakeClient(`s${this.#id}`, principal(`u${this.#id}`), `c${++this.#connections}`);
    client.ready = () => this.#room;
    client.onSend = ({ type, payload }) => {
      if (client !== this.#client) this.problems.push("an earlier connection was sent something");
      if (type === "unsubscribed") this.problems.push(`${payload.channel} was ended: ${payload.reason}`);
      if (type === "chat_message") this.#took(String(payload.channel), payload);
    };
    this.#client = client;
    this.#start = undefined;
    this.#on.clear();
    const resume = Object.fromEntries([...this.#have].map(([name, since]) => [name, { ...since, lane: 5 }]));
    this.#hub.attach(client, resume).then((attached) => {
      if (client !== this.#client) return attached.start();
      for (const [name, state] of Object.entries(attached.channels)) {
        this.#answered(name, state, resume[name]);
      }
      this.#start = () => attached.start();
    }, (error) => this.problems.push(`attach: ${error}`));
  }

  /** The session has answered the client: deliveries may begin. */
  start(): void {
    this.#start?.();
    this.#start = undefined;
  }

  detach(): void {
    if (this.#client !== undefined) this.#hub.detach(this.#client);
    this.#client = undefined;
    this.#start = undefined;
    this.#on.clear();
  }

  subscribe(channel: string, lane: number, useSince: boolean): void {
    const client = this.#client;
    // A client says nothing before its session has answered.
    if (client === undefined || this.#start !== undefined || !this.#on.has("broadcast:all")) return;
    const since = useSince ? this.#have.get(channel) : undefined;
    const take = ({ state, start }: Subscribed) => {
      if (client !== this.#client) return;
      const moved = since === undefined && this.#on.has(channel);
      if (!moved) this.#answered(channel, state, since);
      start();
    };
    const refused = (error: unknown) => {
      const expected = error instanceof ProtocolError &&
        ["not_subscribed", "unauthorized"].includes(error.error);
      if (!expected) this.problems.push(`subscribe: ${error}`);
    };
    try {
      const joined: MaybePromise<Subscribed> = this.#hub.subscribe(client, channel, lane, since);
      if (joined instanceof Promise) joined.then(take).catch(refused);
      else take(joined);
    } catch (error) {
      refused(error);
    }
  }

  leave(channel: string, how: "unsubscribe" | "stop"): void {
    if (this.#client === undefined || this.#start !== undefined || !this.#on.has(channel)) return;
    if (how === "unsubscribe") this.#hub.unsubscribe(this.#client, channel);
    else this.#hub.stopChannel(this.#client, channel);
    this.#on.delete(channel);
  }

  /** The outbox is full, until `free`. */
  busy(): void {
    if (this.#room !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#room = promise;
    this.#free = resolve;
  }

  free(): void {
    this.#room = undefined;
    this.#free?.();
    this.#free = undefined;
  }

  #answered(
    channel: string,
    state: { epoch: string; offset: number; recovered: boolean },
    since?: Position,
  ): void {
    this.#on.add(channel);
    if (state.recovered) {
      if (since === undefined) this.problems.push("recovered without asking");
      this.#have.set(channel, { epoch: state.epoch, offset: since!.offset });
    } else {
      const lost = since !== undefined && (this.#kept || since.offset === state.offset);
      if (lost) this.problems.push(`${channel} was not recovered`);
      this.#have.set(channel, { epoch: state.epoch, offset: state.offset });
    }
  }

  #took(channel: string, { offset, prev }: Record<string, unknown>): void {
    const have = this.#have.get(channel);
    if (!this.#on.has(channel) || have === undefined) {
      this.problems.push(`${channel} ${offset} came before the answer or after the end`);
    } else {
      if (prev !== have.offset || Number(offset) <= have.offset) {
        this.problems.push(`${channel}: ${offset} (prev ${prev}) came after ${have.offset}`);
      }
      this.#have.set(channel, { epoch: have.epoch, offset: Number(offset) });
    }
  }
}

async function run(
  steps: readonly Step[],
  engine: DelayedEngine | MemoryEngine,
  { size = 10_000, tail = 3, busy = Infinity } = {},
): Promise<void> {
  const failures: unknown[] = [];
  const clock = new FakeClock();
  const hub = new Hub({
    engine,
    namespace: () => ({ ...DEFAULT_NAMESPACE, retention: { size, age: 60_000 } }),
    replay: { page: 4, tail },
    coalescer: new Coalescer({ clock, busy }),
    failed: (error) => failures.push(error),
  });
  const devices = Array.from({ length: SESSIONS }, (_, i) => new Device(hub, i, size > 0));
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const go = async (pick: number) => {
    if (engine instanceof DelayedEngine && engine.waiting > 0) engine.step(pick);
    await clock.advance(0.3);
  };
  let said = 0;
  for (const step of steps) {
    switch (step.kind) {
      case "publish":
        for (let i = 0; i < step.count; i++) {
          const id = `m${++said}`;
          const name = CHANNELS[step.channel]!;
          hub.publish({ origin: "api", channel: name, id, from: "eve", payload: { text: id } });
        }
        break;
      case "subscribe":
        devices[step.session]!.subscribe(CHANNELS[step.channel]!, step.lane, step.since);
        break;
      case "unsubscribe":
      case "stop":
        devices[step.session]!.leave(CHANNELS[step.channel]!, step.kind);
        break;
      case "reconnect":
      case "detach":
      case "start":
      case "busy":
      case "free":
        devices[step.session]![step.kind]();
        break;
      case "run":
        for (const pick of step.picks) await go(pick);
        break;
      case "sweep":
        hub.sweep();
        break;
    }
    await turn();
  }
  for (const device of devices) device.free();
  await turn();
  for (const device of devices) device.start();
  await turn();
  while (engine instanceof DelayedEngine && engine.waiting > 0) {
    await go(0);
    for (const device of devices) device.start();
  }
  await clock.advance(1);
  assert.deepEqual(failures, []);
  const inner = engine instanceof DelayedEngine ? engine.inner : engine;
  for (const device of devices) {
    assert.deepEqual(device.problems, []);
    for (const [channel, { epoch, offset }] of device.standing) {
      assert.deepEqual({ epoch, offset }, inner.log.position(channel), `${channel} stopped short`);
    }
  }
}

const steps = fc.array(step, { maxLength: 120, size: "max" }).map((steps): Step[] => [
  { kind: "reconnect", session: 0 },
  { kind: "reconnect", session: 1 },
  { kind: "run", picks: Array.from({ length: 24 }, (_, i) => i) },
  { kind: "start", session: 0 },
  { kind: "start", session: 1 },
  ...steps,
]);

/**
 * Validates: subscribers that come, go and resume while others publish get every message once and in order, however
 * late the engine is.
 */
Deno.test("Feature: quic-transport, Property 32: an engine that answers in any order leaves no subscriber a gap or a repetition", async () => {
  await fc.assert(fc.asyncProperty(steps, (steps) => run(steps, new DelayedEngine())), { numRuns: 1000 });
});

/** Validates: the same with an engine that answers before its caller goes on. */
Deno.test("Feature: quic-transport, Property 33: an engine that answers at once leaves no subscriber a gap or a repetition", async () => {
  await fc.assert(fc.asyncProperty(steps, (steps) => run(steps, new MemoryEngine())), { numRuns: 300 });
});

/** Validates: the same for a channel without a history, from the answer to subscribe on. */
Deno.test("Feature: quic-transport, Property 34: a channel that keeps nothing leaves no gap after the answer to subscribe", async () => {
  await fc.assert(
    fc.asyncProperty(steps, (steps) => run(steps, new DelayedEngine(), { size: 0, tail: 1000 })),
    { numRuns: 500 },
  );
});

/** Validates: what the hub holds back under load is sent in its place, to those who are to get it, and to nobody twice. */
Deno.test("Feature: quic-transport, Property 91: deliveries that are held back leave no subscriber a gap or a repetition", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(20), async (steps, busy) => {
      await run(steps, new DelayedEngine(), { busy });
      await run(steps, new MemoryEngine(), { busy });
      await run(steps, new DelayedEngine(), { size: 0, tail: 1000, busy });
    }),
    { numRuns: 300 },
  );
});

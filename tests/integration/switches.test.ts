/** Clients of the running service whose paths change at random, over real sockets. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { SkeinClient } from "../../src/client/mod.ts";
import type { TestService } from "../support/service.ts";
import { Network, QUIC_KINDS, type QuicKind, until, withService } from "./support.ts";

const USERS = ["ann", "bob"];
const CHANNELS = ["chat:a", "bot:1"];

/** Milliseconds within which a client has noticed that its path is dead. */
const NOTICE_WITHIN = 11_000;
/** Milliseconds within which it has looked for QUIC again. */
const PROBE_WITHIN = 3000;

type Step =
  | { do: "publish"; channel: number; count: number }
  | { do: "cut" | "move" | "swallow" | "carry" | "network" }
  | { do: "leave" | "return" }
  | { do: "quic" | "websocket"; isOpen: boolean }
  | { do: "wait"; ms: number };

const step: fc.Arbitrary<{ user: number; step: Step }> = fc.record({
  user: fc.nat(USERS.length - 1),
  step: fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("publish" as const),
        channel: fc.nat(CHANNELS.length - 1),
        count: fc.integer({ min: 1, max: 6 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom(
          "cut" as const,
          "move" as const,
          "swallow" as const,
          "carry" as const,
          "network" as const,
        ),
      }),
    },
    { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("leave" as const, "return" as const) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("quic" as const, "websocket" as const),
        isOpen: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 12_000 }) }),
    },
  ),
});

/** A user's device: what it has said and heard. */
class Device implements AsyncDisposable {
  readonly network: Network;
  readonly client: SkeinClient;
  readonly said: string[][] = CHANNELS.map(() => []);
  readonly heard: string[][] = CHANNELS.map(() => []);
  readonly gaps: string[] = [];
  readonly #room: string;
  #passedAt = performance.now();

  constructor(service: TestService, kind: QuicKind, token: string, readonly user: string, room: string) {
    this.#room = room;
    this.network = new Network(service, kind);
    this.client = this.network.client(token, {
      probing: { first: 500, max: 2000 },
      maxReconnectDelay: 1000,
      breaker: { failures: 1000 },
    });
    this.client.on("discontinuity", ({ channel }) => this.gaps.push(channel));
  }

  async start(): Promise<void> {
    await this.client.connect();
    await Promise.all(
      CHANNELS.map((channel, at) =>
        this.client.channel(channel + this.#room).subscribe(({ text }) => void this.heard[at]!.push(text!))
      ),
    );
  }

  async live(step: Step): Promise<void> {
    const { network } = this;
    switch (step.do) {
      case "publish":
        for (let i = 0; i < step.count; i++) {
          const text = `${this.user}-${this.said[step.channel]!.length}`;
          this.said[step.channel]!.push(text);
          this.client.channel(CHANNELS[step.channel]! + this.#room).publish(text).catch(() => {});
        }
        break;
      case "cut":
        network.tcp.cut();
        break;
      case "move":
        network.udp.rebind();
        break;
      case "swallow":
      case "carry":
        network.udp.blackHole = step.do === "swallow";
        break;
      case "network":
        network.environment.tell("network");
        break;
      case "leave":
        // The path it is on dies, and QUIC is refused from then on.
        network.certificate = "wrong";
        network.cut();
        await this.pass(NOTICE_WITHIN);
        network.udp.blackHole = false;
        await this.connected();
        break;
      case "return":
        network.certificate = "right";
        network.udp.blackHole = false;
        await this.connected();
        // A probe finds QUIC, and the session moves.
        await this.pass(PROBE_WITHIN);
        break;
      case "quic":
        network.certificate = step.isOpen ? "right" : "wrong";
        break;
      case "websocket":
        network.websocket = step.isOpen ? "open" : "refused";
        break;
      case "wait":
        await this.pass(step.ms);
    }
  }

  /** Lets the client's time pass while real sockets get their turn. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      this.#passedAt = performance.now();
      await this.network.clock.advance(Math.min(500, left));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Waits until it has a connection, or has to wait for another step to have one. */
  async connected(): Promise<void> {
    const end = this.network.clock.now() + NOTICE_WITHIN;
    while (this.network.clock.now() < end && !this.client.manager.isConnected()) await this.passGently();
  }

  /** Lets some time pass: as much as has really passed while something is dialled or waits for an answer, else more. */
  async passGently(): Promise<void> {
    const { dialling, unanswered } = this.network;
    const really = performance.now() - this.#passedAt;
    const isIdle = dialling === 0 && unanswered === 0 && this.client.manager.pending === 0;
    await this.pass(Math.ceil(isIdle ? 50 : Math.min(really, 50)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
  }
}

/**
 * Validates: clients whose connections are cut, moved, swallowed and refused at random, and who change between QUIC and
 * WebSocket by that, have said everything once and in order, and have heard everything once and in order.
 */
Deno.test("Feature: quic-transport, Property 18: no message is lost, doubled or out of order over random switches of transport (over real sockets)", () =>
  withService(async (service) => {
    const tokens = await Promise.all(USERS.map((user) => service.token(user)));
    const transports = new Set<string>();
    let runs = 0, switches = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<QuicKind>(...QUIC_KINDS),
        fc.array(step, { minLength: 3, maxLength: 16 }),
        async (kind, steps) => {
          const room = `${runs++}`;
          await using ann = new Device(service, kind, tokens[0]!, USERS[0]!, room);
          await using bob = new Device(service, kind, tokens[1]!, USERS[1]!, room);
          const devices = [ann, bob];
          for (const { client } of devices) {
            client.on("connected", ({ transport }) => {
              transports.add(transport);
              switches++;
            });
          }
          await Promise.all(devices.map((device) => device.start()));
          for (const { user, step } of steps) await devices[user]!.live(step);
          for (const { network } of devices) {
            network.udp.blackHole = false;
            network.certificate = "right";
            network.websocket = "open";
          }
          const all = CHANNELS.map((_, at) => devices.reduce((sum, { said }) => sum + said[at]!.length, 0));
          await until("everything is said and heard", async () => {
            for (const device of devices) {
              await device.passGently();
            }
            return devices.every(({ client, heard }) =>
              client.manager.pending === 0 && heard.every((texts, at) => texts.length >= all[at]!)
            );
          }, 120_000);
          await using reader = await service.connect("websocket", "reader");
          for (const [at, channel] of CHANNELS.entries()) {
            const { payload } = await reader.ask("history", { channel: channel + room, limit: 500 });
            const committed = payload.messages.map(({ text }: { text: string }) => text);
            for (const { user, said, heard, gaps } of devices) {
              const own = committed.filter((text: string) => text.startsWith(user));
              assert.deepEqual(own, said[at], `${user} on ${channel}`);
              assert.deepEqual(heard[at], committed, `${user} heard on ${channel}`);
              assert.deepEqual(gaps, []);
            }
          }
        },
      ),
      { numRuns: 100, endOnFailure: true },
    );
    assert.deepEqual([...transports].sort(), ["quic", "websocket", "webtransport"]);
    assert.ok(switches > 250, `${switches} connections`);
  }));

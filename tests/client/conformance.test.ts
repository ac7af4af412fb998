/** One suite for every transport of the SDK, against the real service. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClientTransport, TransportEnd } from "../../src/client/mod.ts";
import { QuicTransport, WebSocketTransport } from "../../src/client/mod.ts";
import { NativeQuicTransport } from "../../src/client/native.ts";
import { Encoded, type Message, uuidv7 } from "../../src/protocol/mod.ts";
import { startTestService, type TestService } from "../support/service.ts";

interface Kind {
  readonly name: "webtransport" | "quic" | "websocket";
  make(service: TestService): ClientTransport;
  /** To a place where nobody answers; WebTransport's is in `black_hole.test.ts`. */
  nowhere?(port: number): ClientTransport;
}

const KINDS: readonly Kind[] = [
  {
    name: "webtransport",
    make: ({ webtransportUrl, certificateHash }) =>
      new QuicTransport(webtransportUrl, { certificateHashes: [certificateHash] }),
  },
  {
    name: "quic",
    make: ({ quicPort, certificateHash }) =>
      new NativeQuicTransport(`quic://127.0.0.1:${quicPort}`, { certificateHashes: [certificateHash] }),
    nowhere: (port) => new NativeQuicTransport(`quic://127.0.0.1:${port}`, { timeout: 300 }),
  },
  {
    name: "websocket",
    make: ({ websocketUrl }) => new WebSocketTransport(websocketUrl),
    nowhere: (port) => new WebSocketTransport(`ws://127.0.0.1:${port}/`),
  },
];

/** A connected transport whose messages are written down. */
class Talker {
  readonly messages: Message[] = [];
  readonly ends: TransportEnd[] = [];
  readonly lost: number[] = [];
  readonly errors: unknown[] = [];
  #looking: (() => void)[] = [];

  constructor(readonly transport: ClientTransport) {
    transport.onMessage = (message) => this.#note(this.messages, message);
    transport.onClose = (end) => this.#note(this.ends, end);
    transport.onLaneLost = (lane) => this.#note(this.lost, lane);
    transport.onError = (error) => this.#note(this.errors, error);
  }

  #note<T>(list: T[], item: T): void {
    list.push(item);
    for (const look of this.#looking.splice(0)) look();
  }

  /** Waits until `test` gives something, which is no promise: that would be something at once. */
  async until<T>(
    test: () => (T extends PromiseLike<unknown> ? never : T) | undefined | false,
    ms = 5000,
  ): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${test}`)), ms);
    });
    try {
      for (;;) {
        const found = test();
        if (found) return found;
        await Promise.race([late, new Promise<void>((resolve) => this.#looking.push(resolve))]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  send(type: string, payload: Record<string, unknown>, lane = 0, id = uuidv7()): string {
    this.transport.send(new Encoded({ type, id, timestamp: Date.now(), payload }), lane);
    return id;
  }

  async ask(type: string, payload: Record<string, unknown>, lane = 0): Promise<Message> {
    const id = this.send(type, payload, lane);
    return await this.until(() => this.messages.find(({ re }) => re === id));
  }
}

for (const kind of KINDS) {
  Deno.test(`${kind.name}: the suite of client transports`, async (t) => {
    const service = await startTestService();
    const open = async (user = "ann"): Promise<Talker> => {
      const talker = new Talker(kind.make(service));
      await talker.transport.connect();
      const { type } = await talker.ask("auth_request", { token: await service.token(user), batch: true });
      assert.equal(type, "auth_response");
      return talker;
    };
    try {
      await t.step("says what it is", async () => {
        const talker = await open();
        const { transport } = talker;
        assert.equal(transport.kind, kind.name);
        assert.equal(transport.laneful, kind.name !== "websocket");
        assert.equal(transport.maxDatagramSize > 0, kind.name !== "websocket");
        assert.ok(transport.traffic.bytesOut > 100 && transport.traffic.bytesIn > 100);
        assert.equal(transport.traffic.messagesIn, talker.messages.length);
        await transport.close();
      });

      await t.step("brings messages of a lane in order, small and large", async () => {
        const talker = await open();
        const sizes = [1, 100, 20_000, 10, 60_000, 1, 16_384, 3];
        await talker.ask("subscribe", { channel: "chat:order" }, 1);
        const ids = sizes.map((size, i) =>
          talker.send("chat_message", { channel: "chat:order", text: String(i).repeat(size) }, 1)
        );
        const delivered = (): Message[] => talker.messages.filter(({ type }) => type === "chat_message");
        await talker.until(() => delivered().length === sizes.length);
        assert.deepEqual(delivered().map(({ id }) => id), ids);
        assert.deepEqual(delivered().map(({ payload }) => (payload.text as string).length), sizes);
        await talker.transport.close();
      });

      await t.step("brings many messages that are sent at once", async () => {
        const talker = await open();
        const ids = Array.from(
          { length: 3000 },
          () => talker.send("chat_message", { channel: "chat:many", text: "x" }, 2),
        );
        const acked = () => talker.messages.filter(({ type }) => type === "message_ack");
        await talker.until(() => acked().length === ids.length, 20_000);
        assert.deepEqual(acked().map(({ re }) => re), ids);
        await talker.transport.close();
      });

      await t.step("sends what is queued before it closes", async () => {
        const talker = await open();
        const channel = `chat:${uuidv7()}`;
        for (let i = 0; i < 200; i++) talker.send("chat_message", { channel, text: "x".repeat(500) }, 3);
        await talker.transport.close();
        assert.deepEqual(talker.ends, [{ code: 1000, reason: "", by: "local" }]);
        const later = await open();
        const kept = async () => (await later.ask("history", { channel, limit: 1 })).payload.offset;
        // The service goes on reading after the client has left.
        for (const end = performance.now() + 30_000; await kept() !== 200 && performance.now() < end;);
        assert.equal(await kept(), 200);
        await later.transport.close();
      });

      await t.step(
        "tells the server's close once, with its code or the message that announced it",
        async () => {
          const talker = new Talker(kind.make(service));
          await talker.transport.connect();
          talker.send("auth_request", { token: "x.y.z" });
          await talker.until(() => talker.ends[0]);
          const announced = talker.messages.find(({ type }) => type === "close");
          assert.equal(announced?.payload.code, 3500);
          await new Promise((resolve) => setTimeout(resolve, 150));
          assert.equal(talker.ends.length, 1);
          assert.notEqual(talker.ends[0]!.by, "local");
        },
      );

      await t.step("takes calls after its end without harm", async () => {
        const talker = await open();
        await talker.transport.close();
        talker.send("ping", {});
        talker.transport.openLane(5);
        assert.equal(talker.transport.sendDatagram(ping()), false);
        await talker.transport.close();
        assert.equal(talker.ends.length, 1);
      });

      await t.step("carries pings by datagram where there are datagrams", async () => {
        const talker = await open();
        const message = ping();
        const sent = talker.transport.sendDatagram(message);
        assert.equal(sent, kind.name !== "websocket");
        if (sent) await talker.until(() => talker.messages.find(({ re }) => re === message.message.id));
        const large = new Encoded({
          type: "ping",
          id: uuidv7(),
          timestamp: 1,
          payload: { x: "x".repeat(5000) },
        });
        assert.equal(talker.transport.sendDatagram(large), false);
        await talker.transport.close();
      });

      await t.step("abort mid-connect rejects with the reason and leaves nothing open", async () => {
        const count = async (): Promise<number> => (await service.stats()).connections;
        const abort = new AbortController();
        const transport = kind.make(service);
        const connecting = transport.connect(abort.signal);
        const reason = new Error("not wanted");
        abort.abort(reason);
        await assert.rejects(connecting, reason);
        await assert.rejects(kind.make(service).connect(AbortSignal.abort(reason)), reason);
        for (let i = 0; i < 1_500 && await count() > 0; i++) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        assert.equal(await count(), 0);
      });
    } finally {
      await service.stop();
    }
  });
}

for (const { name, nowhere } of KINDS) {
  if (nowhere === undefined) continue;
  Deno.test(`${name}: rejects when nobody is there`, async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    await assert.rejects(nowhere(port).connect());
  });
}

function ping(): Encoded {
  return new Encoded({ type: "ping", id: uuidv7(), timestamp: Date.now(), payload: {} });
}

/** Validates: random calls have one outcome over WebTransport, QUIC and WebSocket. */
Deno.test("Feature: quic-transport, Property 15: the same calls have the same outcome on every transport", async () => {
  const service = await startTestService({
    session: { perIp: { connections: 10_000, rate: 100_000, burst: 100_000 } },
  });
  const talkers: Talker[] = [];
  try {
    for (const kind of KINDS) {
      const talker = new Talker(kind.make(service));
      await talker.transport.connect();
      await talker.ask("auth_request", { token: await service.token("ann"), batch: true });
      talkers.push(talker);
    }
    // A message with this key cannot be read at all, so its answer names no message.
    const sayable = fc.jsonValue({ maxDepth: 3 }).filter((value) =>
      !JSON.stringify(value).includes("__proto__")
    );
    // What begins with a slash may be a command.
    const said = fc.string({ maxLength: 300, unit: "grapheme" }).map((text) => text.replace(/^\//, "."));
    const call = fc.oneof(
      fc.record({ type: fc.constant("chat_message"), text: said }),
      fc.record({ type: fc.constant("chat_message"), data: sayable }),
      fc.record({ type: fc.constantFrom("history", "presence", "unsubscribe") }),
      fc.record({ type: fc.constant("subscribe"), since: fc.constant({ epoch: "none", offset: 1 }) }),
      fc.record({ type: fc.constant("chat_message"), text: fc.integer() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 6 }), async (calls) => {
        const outcomes: unknown[][] = [];
        for (const talker of talkers) {
          // A channel of its own for each, so that nothing but the transport differs.
          const channel = `chat:${uuidv7()}`;
          const outcome: unknown[] = [];
          const first = talker.messages.length;
          await talker.ask("subscribe", { channel }, 1);
          for (const { type, ...rest } of calls) {
            const { type: answer, payload } = await talker.ask(type, { channel, ...rest }, 1);
            const { epoch: _epoch, channel: _channel, message: _message, messages, users, ...plain } =
              payload;
            outcome.push([answer, plain, (messages as unknown[])?.length, (users as unknown[])?.length]);
          }
          const deliveries = talker.messages.slice(first).filter(({ type, payload }) =>
            type === "chat_message" && payload.channel === channel
          );
          outcome.push(
            deliveries.map(({ payload }) => [payload.text, payload.data, payload.offset, payload.prev]),
          );
          outcomes.push(outcome);
          await talker.ask("unsubscribe", { channel }, 1);
        }
        assert.deepEqual(outcomes[1], outcomes[0]);
        assert.deepEqual(outcomes[2], outcomes[0]);
      }),
      { numRuns: 100 },
    );
    for (const { errors, lost } of talkers) assert.deepEqual([errors, lost], [[], []]);
  } finally {
    await Promise.all(talkers.map(({ transport }) => transport.close()));
    await service.stop();
  }
});

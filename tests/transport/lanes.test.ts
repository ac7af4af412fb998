/** Lanes that a client breaks off: what was acknowledged is not lost without a word. */

import assert from "node:assert/strict";
import { LaneClient } from "../support/lane_client.ts";
import { startTestService, type TestService } from "../support/service.ts";

const KINDS = ["quic", "webtransport"] as const;

async function withService(run: (service: TestService) => Promise<void>): Promise<void> {
  const service = await startTestService();
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const kind of KINDS) {
  Deno.test(`lanes: a ${kind} client that stops reading one is told of each channel that may have lost something`, () =>
    withService(async (service) => {
      const reader = await LaneClient.dial(service, kind, "ann");
      const writer = await service.connect("websocket", "bob");
      await reader.ask(5, "subscribe", { channel: "chat:a" });
      const acks: number[] = [];
      const publish = async (count: number) => {
        for (let i = 0; i < count; i++) {
          const ack = await writer.ask("chat_message", { channel: "chat:a", text: `${i}` });
          acks.push(ack.payload.offset as number);
        }
      };
      await publish(5);
      reader.stop(5);
      await publish(20);
      const find = () => reader.messages.find(({ payload }) => payload.kind === "discontinuity");
      await until(() => find() !== undefined, "the notice");
      const notice = find()!;
      assert.deepEqual([notice.lane, notice.payload.channel, notice.payload.reason], [
        0,
        "chat:a",
        "lane_lost",
      ]);
      const { payload: { epoch } } = await writer.ask("history", { channel: "chat:a", limit: 1 });
      reader.messages.length = 0;
      await reader.ask(0, "subscribe", { channel: "chat:a", since: { epoch, offset: 0 } });
      const deliveries = () => reader.messages.filter(({ type }) => type === "chat_message");
      await until(() => deliveries().length >= acks.length, "all of them");
      assert.deepEqual(deliveries().map(({ payload }) => payload.offset), acks);
      assert.ok(deliveries().every(({ lane }) => lane === 0));
      const line = service.lines.find(({ event }) => event === "lane stopped by the client");
      assert.equal(line?.lane, 5);
      reader.close();
      await writer.close();
    }));

  Deno.test(`lanes: a ${kind} stream that does not say its number is given up after five seconds, and its place with it`, () =>
    withService(async (service) => {
      const client = await service.connect(kind, "ann");
      const ping = setInterval(() => void client.send("ping", {}).catch(() => {}), 1000);
      try {
        const stream = await client.openRawStream();
        await stream.write(new Uint8Array([0xc0]));
        assert.equal(await stream.read(), null);
        assert.ok(service.lines.some(({ event }) => event === "stream did not say its lane in time"));
        await assert.rejects(async () => {
          for (let i = 0; i < 20; i++) {
            await stream.write(new Uint8Array([0]));
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
        });
        assert.equal((await client.ask("ping", {})).type, "pong");
      } finally {
        clearInterval(ping);
        await client.close();
      }
    }));

  Deno.test(`lanes: a bad length on lane 0 of a ${kind} connection is answered by a close message`, () =>
    withService(async (service) => {
      const client = await service.connect(kind, "ann");
      await client.writeRaw(new Uint8Array([0x80, 0x7f, 0xff, 0xff]), 0);
      const { announced } = await client.ended();
      assert.deepEqual([announced?.code, announced?.reconnect], [3507, false]);
      await client.close();
    }));

  Deno.test(`lanes: a second stream for an open lane of a ${kind} connection is refused, and the first goes on`, () =>
    withService(async (service) => {
      const client = await service.connect(kind, "ann");
      await client.openLane(3);
      await client.ask("subscribe", { channel: "chat:a" }, { lane: 3 });
      await client.writeRaw(new Uint8Array(), 3);
      const second = await client.openRawStream();
      await second.write(new Uint8Array([3]));
      const error = await client.next("error");
      assert.equal(error.payload.name, "wrong_lane");
      assert.equal(await second.read(), null);
      const ack = await client.ask("chat_message", { channel: "chat:a", text: "x" }, { lane: 3 });
      assert.equal(ack.lane, 3);
      await client.close();
    }));
}

/** Deliveries under load, over real sockets: several in one frame, each once and in order. */

import assert from "node:assert/strict";
import { KINDS, type TestClient } from "../support/client.ts";
import { startTestService, type TestService } from "../support/service.ts";

const CHANNEL = "chat:load";
const OFF = { messagesPerSecond: 0, messageBurst: 0, bytesPerSecond: 0, byteBurst: 0 };
const MESSAGES = 1500;

async function withService(run: (service: TestService) => Promise<void>): Promise<void> {
  const service = await startTestService({
    session: { maxOutbox: "16MiB", rates: { connection: OFF, user: OFF } },
  });
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

/** Publishes without waiting for acknowledgements, and then waits for all of them. */
async function publish(service: TestService): Promise<void> {
  await using bob = await service.connect("websocket", "bob");
  const acked: Promise<unknown>[] = [];
  for (let i = 0; i < MESSAGES; i++) {
    acked.push(bob.request("chat_message", { channel: CHANNEL, text: `${i}` }, { id: `m${i}` }));
  }
  await Promise.all(acked);
}

const wanted = Array.from({ length: MESSAGES }, (_, i) => [`m${i}`, i + 1, i]);

Deno.test("batches: under load a client of each transport and form gets every message once and in order", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    const clients: TestClient[] = [];
    try {
      for (const kind of KINDS) {
        for (const form of ["json", "msgpack"] as const) {
          const client = await service.dial(kind, { form, timeout: 30_000 });
          clients.push(client);
          await client.authenticate(token);
          await client.openLane(1);
          await client.ask("subscribe", { channel: CHANNEL }, { lane: 1 });
        }
      }
      await publish(service);
      for (const client of clients) {
        await client.next(({ type, id }) => type === "chat_message" && id === `m${MESSAGES - 1}`);
        const came = client.messages.filter(({ type }) => type === "chat_message");
        assert.deepEqual(
          came.map(({ id, payload }) => [id, payload.offset, payload.prev]),
          wanted,
          client.kind,
        );
        assert.deepEqual(client.garbage, []);
      }
    } finally {
      for (const client of clients) await client.close();
    }
  }));

Deno.test("batches: a plain client that asks for lines gets several messages in a frame of text", () =>
  withService(async (service) => {
    const token = await service.token("ann");
    const socket = new WebSocket(service.websocketUrl);
    const lines: string[] = [];
    let frames = 0;
    const done = Promise.withResolvers<void>();
    const say = (type: string, payload: unknown) =>
      socket.send(JSON.stringify({ type, id: type, timestamp: 0, payload }));
    const subscribed = Promise.withResolvers<void>();
    socket.onopen = () => say("auth_request", { token, batch: "lines" });
    socket.onerror = () => done.reject(new Error("the WebSocket failed"));
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") return done.reject(new Error("a binary frame came"));
      frames++;
      for (const line of data.split("\n")) {
        const { type, id } = JSON.parse(line);
        if (type === "auth_response") say("subscribe", { channel: CHANNEL });
        if (type === "subscribed") subscribed.resolve();
        if (type === "chat_message") lines.push(id);
        if (id === `m${MESSAGES - 1}`) done.resolve();
      }
    };
    await subscribed.promise;
    await publish(service);
    await done.promise;
    assert.deepEqual(lines, wanted.map(([id]) => id));
    assert.ok(frames < MESSAGES, `${frames} frames`);
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    await closed;
  }));

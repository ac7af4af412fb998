/** Deliveries under load, over real sockets: several in one frame, each once and in order. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { KINDS, type TestClient } from "../support/client.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { takeFrames } from "../support/wire.ts";

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

Deno.test("batches: pings that come in one frame are answered in order, by as few frames as the client takes", () =>
  withService(async (service) => {
    const ids = Array.from({ length: 40 }, (_, i) => `p${i}`);
    // Before the socket is made: nothing may be waited for until its handlers are set.
    const token = await service.token("ann");
    for (const [batch, most] of [[undefined, 40], ["lines", 2], [true, 2]] as const) {
      const socket = new WebSocket(service.websocketUrl);
      socket.binaryType = "arraybuffer";
      const answered: string[] = [];
      let frames = 0;
      const [ready, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const message = (type: string, id: string, payload: unknown = {}) =>
        JSON.stringify({ type, id, timestamp: 0, payload });
      socket.onopen = () => socket.send(message("auth_request", "auth", { token, batch }));
      socket.onerror = () => done.reject(new Error("the WebSocket failed"));
      socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
        const texts = typeof data === "string"
          ? data.split("\n")
          : takeFrames(new Uint8Array(data)).bodies.map((body) => new TextDecoder().decode(body));
        for (const text of texts) {
          const { type, re } = JSON.parse(text);
          if (type === "auth_response") ready.resolve();
          if (type !== "pong") continue;
          answered.push(re);
          if (re === "last") done.resolve();
        }
        frames++;
      };
      await ready.promise;
      frames = 0;
      socket.send(Buffer.concat(ids.map((id) => framedText(message("ping", id)))));
      socket.send(message("ping", "last"));
      await done.promise;
      assert.deepEqual(answered, [...ids, "last"]);
      // The last one may come with the others or alone.
      assert.ok(frames <= most + 1, `${frames} frames`);
      const closed = new Promise((resolve) => socket.onclose = resolve);
      socket.close();
      await closed;
    }
  }));

/** A text with its length before it. */
function framedText(text: string): Uint8Array {
  const bytes = new Uint8Array(2 + text.length);
  bytes.set([0x40 | (text.length >> 8), text.length & 0xff]);
  new TextEncoder().encodeInto(text, bytes.subarray(2));
  return bytes;
}

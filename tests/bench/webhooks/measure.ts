/**
 * Measurements of webhooks, at an endpoint in a process of its own.
 *
 * @module
 */

import type { ConfigInput } from "../../support/config.ts";
import { startChild } from "../child.ts";
import type { Measure } from "../scenario.ts";
import { callBytes, KeptConnection } from "../api/load.ts";
import { dial, framed } from "../skein/dial.ts";
import { pipelined, startSkein } from "../skein/measure.ts";

const RECEIVER = ["-A", "tests/bench/webhooks/receiver.ts"];
const KEY = "bench-key-of-the-api";
/** Milliseconds that the last notifications may take. */
const PATIENCE = 60_000;

/** An endpoint of the configuration. */
function configured(port: number, over: Record<string, unknown>): ConfigInput {
  const endpoint = {
    name: "bench",
    url: `http://127.0.0.1:${port}/`,
    allowPrivate: true,
    secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    ...over,
  };
  return { webhooks: { endpoints: [endpoint] } } as ConfigInput;
}

/**
 * Processor time of the service for a message on one WebSocket, in microseconds, with an endpoint that is about something
 * else, or without any.
 */
export async function elsewhere(isConfigured: boolean, messages = 60_000): Promise<Measure> {
  const other = configured(9, { events: ["rpc", "connect"], onFailure: "allow" });
  await using server = await startSkein(isConfigured ? other : {});
  const client = await dial(server, "websocket", "ann");
  const publish = async (count: number): Promise<void> => {
    let left = count;
    const all = new Promise<void>((resolve) => {
      client.onFrame = () => {
        if (--left === 0) resolve();
      };
    });
    for (let i = 0; i < count; i++) {
      await client.send(framed("chat_message", { channel: "chat:bench", text: "a".repeat(100) }));
    }
    await all;
  };
  await publish(messages);
  const before = await server.processorTime();
  await publish(messages);
  return { value: (await server.processorTime() - before) / messages * 1e6 };
}

/** Messages that an endpoint decides about before each is published; how many a second. */
export async function decisions(): Promise<Measure> {
  await using receiver = await startChild(RECEIVER);
  return await pipelined(
    "websocket",
    256,
    10_000,
    configured(receiver.hello.httpPort, { events: ["publish"], concurrency: 64 }),
  );
}

/** Messages that an endpoint is told of in lists, kept by SQLite until it has taken them; how many a second. */
export async function notifications(thousands = 40): Promise<Measure> {
  await using receiver = await startChild(RECEIVER);
  const { httpPort } = receiver.hello;
  const directory = await Deno.makeTempDir({ prefix: "skein-bench-" });
  const engine = { kind: "sqlite" as const, sqlite: { path: `${directory}/skein.db` } };
  const batch = { size: 100, delay: "50ms" };
  try {
    await using server = await startSkein({
      ...configured(httpPort, { events: ["message"], batch }),
      engine,
      api: { keys: [KEY] },
    });
    const connection = await KeptConnection.open(server.hello.httpPort);
    const params = { channel: "chat:bench", text: "a".repeat(100) };
    const commands = Array.from({ length: 1000 }, () => ({ method: "publish", params }));
    const bytes = callBytes("batch", JSON.stringify({ commands }), KEY);
    const start = performance.now();
    for (let i = 0; i < thousands; i++) await connection.call(bytes);
    connection.close();
    while (await countOf(httpPort) < thousands * 1000) {
      if (performance.now() - start > PATIENCE) throw new Error("not all notifications came");
    }
    return { value: thousands * 1000 / (performance.now() - start) * 1000 };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function countOf(port: number): Promise<number> {
  return Number(await (await fetch(`http://127.0.0.1:${port}/`)).text());
}

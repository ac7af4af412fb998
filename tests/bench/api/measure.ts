/**
 * Measurements of the server API.
 *
 * @module
 */

import { type Child, startChild } from "../child.ts";
import { type Measure, quantile } from "../scenario.ts";
import { startSkein } from "../skein/measure.ts";
import { callBytes, KeptConnection } from "./load.ts";

const KEY = "bench-key-of-the-api";
const TEXT = "a".repeat(100);
/** Connections that call at the same time. */
const CONNECTIONS = 32;

/** Who answers: the service with its database, or the bare runtime. */
export type Server = "skein" | "bare";

async function withServer(server: Server, body: (child: Child) => Promise<Measure>): Promise<Measure> {
  if (server === "bare") {
    await using child = await startChild(["-A", "tests/bench/api/bare.ts"]);
    return await body(child);
  }
  const directory = await Deno.makeTempDir({ prefix: "skein-bench-" });
  try {
    const engine = { kind: "sqlite" as const, sqlite: { path: `${directory}/skein.db` } };
    await using child = await startSkein({ engine, api: { keys: [KEY] } });
    return await body(child);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Messages published one a call on connections that are kept; how many a second. */
export function publishing(server: Server, calls = 30_000): Promise<Measure> {
  return withServer(server, async ({ hello: { httpPort } }) => {
    const bytes = callBytes("publish", JSON.stringify({ channel: "chat:bench", text: TEXT }), KEY);
    const connections = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => KeptConnection.open(httpPort)),
    );
    const run = (count: number) =>
      Promise.all(connections.map(async (connection) => {
        for (let i = 0; i < count / CONNECTIONS; i++) await connection.call(bytes);
      }));
    await run(calls);
    const start = performance.now();
    await run(calls);
    const value = calls / (performance.now() - start) * 1000;
    connections.forEach((connection) => connection.close());
    return { value };
  });
}

/** A batch of a thousand messages; the median in milliseconds. */
export function batches(server: Server, count = 60): Promise<Measure> {
  return withServer(server, async ({ hello: { httpPort } }) => {
    const params = { channel: "chat:bench", text: TEXT };
    const commands = Array.from({ length: 1000 }, () => ({ method: "publish", params }));
    const bytes = callBytes("batch", JSON.stringify({ commands }), KEY);
    const connection = await KeptConnection.open(httpPort);
    const samples: number[] = [];
    for (let i = -10; i < count; i++) {
      const start = performance.now();
      await connection.call(bytes);
      if (i >= 0) samples.push(performance.now() - start);
    }
    connection.close();
    const p50 = quantile(samples, 0.5);
    return { value: p50, p50, p99: quantile(samples, 0.99) };
  });
}

/** Messages published as lines of one body; how many a second. */
export function publishingLines(server: Server, messages = 200_000): Promise<Measure> {
  return withServer(server, async ({ hello: { httpPort } }) => {
    const line = `${JSON.stringify({ channel: "chat:bench", text: TEXT })}\n`;
    const piece = line.repeat(400);
    const run = async (count: number) => {
      const connection = await KeptConnection.open(httpPort);
      const pieces = new Array<string>(count / 400).fill(piece);
      const answered = await connection.lines("publish", pieces, KEY, '{"result"');
      connection.close();
      if (answered !== count) throw new Error(`${answered} of ${count} lines were answered`);
    };
    await run(messages / 2);
    const start = performance.now();
    await run(messages);
    return { value: messages / (performance.now() - start) * 1000 };
  });
}

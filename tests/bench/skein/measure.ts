/**
 * Measurements of a client at the service. Each function does the same as the one of its name for the bare server.
 *
 * @module
 */

import { settles } from "../../../src/async/deadline.ts";
import type { ConfigInput } from "../../support/config.ts";
import { type IdleCost, type IdleTimes, many } from "../bare/measure.ts";
import { type Child, clock, startChild } from "../child.ts";
import { type Measure, measureTrips } from "../scenario.ts";
import { dial, type Dialled, exchange, framed, type Kind, tokenOf } from "./dial.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Milliseconds for one of many connections. */
const DIAL_TIMEOUT = 20_000;

const CHANNEL = "chat:bench";

/** Starts the service with `over` laid over the bench's configuration. */
export function startSkein(over: ConfigInput = {}, flags: readonly string[] = []): Promise<Child> {
  return startChild(["-A", "tests/bench/skein/server.ts", JSON.stringify(over), ...flags]);
}

/** `ping` to `pong`, or a publish to its acknowledgement, one at a time; microseconds. */
export async function roundTrip(kind: Kind, what: "ping" | "publish", over?: ConfigInput): Promise<Measure> {
  await using server = await startSkein(over);
  const client = await dial(server, kind, "ann");
  const text = "a".repeat(128);
  return await measureTrips(() =>
    exchange(
      client,
      what === "ping" ? framed("ping", {}) : framed("chat_message", { channel: CHANNEL, text }),
    )
  );
}

/** Messages of `bytes` sent without waiting, each acknowledged; how many a second on one connection. */
export async function pipelined(
  kind: Kind,
  bytes = 1024,
  messages = 60_000,
  over?: ConfigInput,
): Promise<Measure> {
  await using server = await startSkein(over);
  const client = await dial(server, kind, "ann");
  const run = (batches: readonly Bytes[], count: number) => publishAll(client, batches, count);
  const text = "a".repeat(Math.max(1, bytes - 180));
  const perBatch = Math.max(1, Math.floor(16384 / bytes));
  const prepare = (count: number) =>
    batchesOf(count, perBatch, () => framed("chat_message", { channel: CHANNEL, text }));
  await run(prepare(Math.floor(messages / 10)), Math.floor(messages / 10));
  // Made beforehand, because the server is measured and not the client.
  const batches = prepare(messages);
  const start = performance.now();
  await run(batches, messages);
  return { value: messages / (performance.now() - start) * 1000 };
}

/**
 * 64 KB messages, megabytes a second until each is acknowledged. The history is full when it is timed: a thousand messages
 * that only come are memory that the system has yet to give.
 */
export async function throughput(kind: Kind, messages = 6_400): Promise<Measure> {
  await using server = await startSkein();
  const client = await dial(server, kind, "ann");
  const text = "a".repeat(65536 - 180);
  // Made beforehand and used again with another id, because the server is measured and not the client.
  const kept = Array.from({ length: 16 }, () => framed("chat_message", { channel: CHANNEL, text }));
  const idAt = new TextDecoder("latin1").decode(kept[0]!.subarray(0, 200)).indexOf('"id":"') + 6;
  let made = 0;
  const run = async (count: number) => {
    let left = count;
    const all = new Promise<void>((resolve) => {
      client.onFrame = () => {
        if (--left === 0) resolve();
      };
    });
    for (let i = 0; i < count; i++) {
      const message = kept[i % kept.length]!;
      new TextEncoder().encodeInto(`${made++}`.padStart(12, "0"), message.subarray(idAt));
      await client.send(message);
    }
    await all;
  };
  await run(1_600);
  const start = performance.now();
  await run(messages);
  return { value: messages * 65536 / 1e6 / (performance.now() - start) * 1000 };
}

async function publishAll(client: Dialled, batches: readonly Bytes[], count: number): Promise<void> {
  let left = count;
  const all = new Promise<void>((resolve) => {
    client.onFrame = () => {
      if (--left === 0) resolve();
    };
  });
  for (const batch of batches) await client.send(batch);
  await all;
}

function batchesOf(count: number, perBatch: number, make: () => Bytes): Bytes[] {
  const batches: Bytes[] = [];
  for (let done = 0; done < count;) {
    const parts = Array.from({ length: Math.min(perBatch, count - done) }, make);
    done += parts.length;
    const batch = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      batch.set(part, at);
      at += part.length;
    }
    batches.push(batch);
  }
  return batches;
}

/** 128-byte messages of one publisher to all subscribers of a channel: deliveries a second. */
export async function fanOut(
  kind: Kind,
  subscribers: number,
  deliveries = 200_000,
  over?: ConfigInput,
): Promise<Measure> {
  await using server = await startSkein(over);
  let left = 0, ended = 0;
  let finish = () => {};
  // Each on a UDP socket of its own, as clients are: one for all would drop what comes for hundreds at once.
  const clients = await many(subscribers, () => dial(server, kind, "ann"));
  for (const client of clients) {
    await exchange(client, framed("subscribe", { channel: CHANNEL }));
    client.onFrame = () => {
      if (--left === 0) {
        ended = clock();
        finish();
      }
    };
  }
  const publisher = await dial(server, kind, "bob");
  const run = async (count: number): Promise<number> => {
    left = count * subscribers;
    const all = new Promise<void>((resolve) => finish = resolve);
    const batches = batchesOf(
      count,
      16,
      () => framed("chat_message", { channel: CHANNEL, text: "a".repeat(128) }),
    );
    const started = clock();
    let unacknowledged = 0;
    let wake = () => {};
    publisher.onFrame = () => {
      if (--unacknowledged < 256) wake();
    };
    for (const batch of batches) {
      unacknowledged += 16;
      await publisher.send(batch);
      // The publisher waits for acknowledgements. Otherwise the policy for slow clients would be measured.
      if (unacknowledged >= 256) await new Promise<void>((resolve) => wake = resolve);
    }
    await all;
    return count * subscribers / (ended - started) * 1000;
  };
  const messages = Math.ceil(deliveries / subscribers / 16) * 16;
  await run(Math.max(16, Math.ceil(messages / 160) * 16));
  return { value: await run(messages) };
}

/** Memory and processor time of `count` authenticated sessions that only keep their heartbeat. */
export async function idle(
  kind: Kind,
  count: number,
  { settle, watch }: IdleTimes = { settle: 2, watch: 0 },
  over?: ConfigInput,
): Promise<IdleCost> {
  await using server = await startSkein(over);
  const endpoint = kind === "quic" ? new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 }) : undefined;
  let users = 0, lost = 0;
  // As every client does: a ping when it has sent nothing for the heartbeat's interval, oldest first.
  const due: { readonly client: Dialled; at: number }[] = [];
  const ping = framed("ping", {});
  const heartbeat = setInterval(() => {
    const now = performance.now();
    while (due.length > 0 && due[0]!.at <= now) {
      const { client } = due.shift()!;
      Promise.resolve(client.send(ping)).then(() => due.push({ client, at: now + 6_500 }), () => lost++);
    }
  }, 50);
  const connect = async (): Promise<void> => {
    const dialled = dial(server, kind, `user-${users++}`, endpoint)
      .then((client) => due.push({ client, at: performance.now() + 6_500 }));
    // One whose packets are lost must not hold up the others.
    if (!await settles(dialled, DIAL_TIMEOUT)) lost++;
    else await dialled;
  };
  try {
    await many(20, connect);
    const before = await server.memory();
    await many(count, connect);
    await new Promise((resolve) => setTimeout(resolve, settle * 1_000));
    const memory = { value: (await server.memory() - before) / count / 1024 };
    const used = await server.processorTime();
    const from = performance.now();
    await new Promise((resolve) => setTimeout(resolve, watch * 1_000));
    const share = (await server.processorTime() - used) / (performance.now() - from) * 100_000;
    // A few of ten thousand may be lost with their packets; with many, it is another figure.
    if (lost > count / 100) throw new Error(`${lost} of ${count} connections were lost`);
    return { memory, processor: { value: watch === 0 ? NaN : share } };
  } finally {
    clearInterval(heartbeat);
  }
}

/** From starting `main.ts serve` to the first message acknowledged over WebSocket, milliseconds. */
export async function start(): Promise<Measure> {
  const directory = await Deno.makeTempDir({ prefix: "skein-bench-" });
  try {
    const { SECRET } = await import("./dial.ts");
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const config = `${directory}/skein.jsonc`;
    await Deno.writeTextFile(
      config,
      JSON.stringify({
        http: { hostname: "127.0.0.1", port },
        quic: { hostname: "127.0.0.1", port: 0 },
        auth: { keys: [{ alg: "HS256", secret: SECRET }] },
        engine: { kind: "memory" },
        certificates: { directory },
      }),
    );
    const command = (args: string[]) =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", "--quiet", "-A", "main.ts", ...args],
        stdout: "null",
        stderr: "null",
      });
    // With a certificate in place, as a second start has it.
    await command(["gen-cert", "--directory", directory]).output();
    const token = await tokenOf("ann");
    const begun = performance.now();
    const process = command(["serve", "--config", config]).spawn();
    try {
      for (;;) {
        const answer = await firstAnswer(port, token).catch(() => undefined);
        if (answer !== undefined) return { value: performance.now() - begun };
        if (performance.now() - begun > 20_000) throw new Error("not served within 20 s");
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    } finally {
      process.kill("SIGKILL");
      await process.status;
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function firstAnswer(port: number, token: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/connection/websocket`);
    const say = (type: string, payload: Record<string, unknown>) =>
      socket.send(JSON.stringify({ type, id: type, timestamp: Date.now(), payload }));
    socket.onopen = () => say("auth_request", { token });
    socket.onerror = reject;
    socket.onclose = reject;
    socket.onmessage = ({ data }) => {
      if (data.includes('"auth_response"')) say("chat_message", { channel: CHANNEL, text: "hello" });
      else if (data.includes('"message_ack"')) resolve(data);
    };
  });
}

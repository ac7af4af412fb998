/**
 * Measurements of `src/quic/` itself, each the same for the runtime's own API.
 *
 * @module
 */

import { UdpProxy } from "../../support/udp_proxy.ts";
import { many, until } from "../bare/measure.ts";
import { type Child, startChild } from "../child.ts";
import { type Measure, measureTrips, median, quantile } from "../scenario.ts";
import {
  type Carrier,
  type Connected,
  dial,
  endpointOf,
  MODE,
  readAll,
  type Stack,
  type Stream,
  type Target,
} from "./stacks.ts";

/** `streams`: how many a peer may have at once; the memory of a connection follows it. */
function start(stack: Stack, streams = 5_000): Promise<Child> {
  return startChild(["-A", "--unstable-net", "tests/bench/quic/server.ts", stack, `${streams}`]);
}

async function connected(server: Child, stack: Stack, carrier: Carrier): Promise<Connected> {
  return await dial(stack, carrier, server.hello as Target);
}

/** Opens a stream of a mode. */
async function opened(connection: Connected, mode: number): Promise<Stream> {
  const stream = await connection.open();
  await stream.write(Uint8Array.of(mode));
  return stream;
}

/** From dialling to the first byte that came back on a stream, milliseconds; `early`: with a ticket. */
export async function firstStream(stack: Stack, carrier: Carrier, early: boolean): Promise<Measure> {
  await using server = await start(stack);
  const endpoint = endpointOf(stack);
  const samples: number[] = [];
  for (let i = 0; i < 40; i++) {
    const begun = performance.now();
    const connection = await dial(stack, carrier, server.hello as Target, early ? { endpoint, early } : {});
    const stream = await connection.open();
    await stream.write(Uint8Array.of(MODE.echo, 1));
    await readAll(stream, 1, 16);
    // The first ones have no ticket yet.
    if (i >= 10) samples.push(performance.now() - begun);
    // The ticket for the next one comes a moment after the handshake.
    await new Promise((resolve) => setTimeout(resolve, 20));
    connection.close();
  }
  return { value: median(samples), p99: quantile(samples, 0.99) };
}

/** Opening a stream until its first byte is taken; microseconds. */
export async function streamOpen(stack: Stack, carrier: Carrier): Promise<Measure> {
  await using server = await start(stack);
  const connection = await connected(server, stack, carrier);
  return await measureTrips(() => opened(connection, MODE.idle), { trips: 1_500, warmUp: 200 });
}

/** Opening a stream until the first byte came back on it; microseconds. */
export async function firstByte(stack: Stack, carrier: Carrier): Promise<Measure> {
  await using server = await start(stack);
  const connection = await connected(server, stack, carrier);
  return await measureTrips(async () => {
    const stream = await connection.open();
    await stream.write(Uint8Array.of(MODE.echo, 1));
    await readAll(stream, 1, 16);
  }, { trips: 1_500, warmUp: 200 });
}

/** Round trip of a message of `bytes` on one stream; microseconds. */
export async function roundTrip(stack: Stack, carrier: Carrier, bytes: number): Promise<Measure> {
  await using server = await start(stack);
  const stream = await opened(await connected(server, stack, carrier), MODE.echo);
  const message = new Uint8Array(bytes);
  const trips = bytes > 10_000 ? 1_500 : 4_000;
  return await measureTrips(async () => {
    const came = readAll(stream, bytes);
    await stream.write(message);
    await came;
  }, { trips, warmUp: 300 });
}

/** `streams` at once, 64 KB a write, until the server has all of it: megabytes a second. */
export async function throughput(stack: Stack, carrier: Carrier, streams: number): Promise<Measure> {
  await using server = await start(stack);
  const connection = await connected(server, stack, carrier);
  const chunk = new Uint8Array(65_536);
  const run = async (megabytes: number): Promise<number> => {
    const writes = Math.ceil(megabytes * 1e6 / streams / chunk.length);
    const begun = performance.now();
    await Promise.all(Array.from({ length: streams }, async () => {
      const stream = await connection.open();
      const head = new Uint8Array(5);
      head[0] = MODE.sink;
      new DataView(head.buffer).setUint32(1, writes * chunk.length);
      await stream.write(head);
      for (let i = 0; i < writes; i++) await stream.write(chunk);
      await readAll(stream, 1, 16);
    }));
    return streams * writes * chunk.length / 1e3 / (performance.now() - begun);
  };
  await run(20);
  return { value: await run(200) };
}

/** 1,000 streams at once, each opened, 1 KB echoed, ended: streams a second. */
export async function thousandStreams(stack: Stack, carrier: Carrier): Promise<Measure> {
  await using server = await start(stack);
  const connection = await connected(server, stack, carrier);
  const message = new Uint8Array(1025);
  message[0] = MODE.echo;
  const run = async (): Promise<number> => {
    const begun = performance.now();
    await Promise.all(Array.from({ length: 1_000 }, async () => {
      const stream = await connection.open();
      await stream.write(message);
      await readAll(stream, 1024, 1024);
      await stream.end();
    }));
    return 1e6 / (performance.now() - begun);
  };
  await run();
  return { value: median([await run(), await run(), await run()]) };
}

/** The server's resident memory of one connection with one idle stream, KB. */
export async function connectionMemory(stack: Stack, count = 500): Promise<Measure> {
  await using server = await start(stack, 100);
  const endpoint = endpointOf(stack);
  // The connections are kept, too: one that nobody refers to may be collected.
  const connect = async (): Promise<unknown> => {
    const connection = await dial(stack, "quic", server.hello as Target, { endpoint });
    return { connection, stream: await opened(connection, MODE.idle) };
  };
  const kept = await many(50, connect);
  const before = await settled(server, 50);
  kept.push(...await many(count, connect));
  return { value: (await settled(server, 50 + count) - before) / count / 1024 };
}

/** The server's resident memory of one idle stream of a connection that has many, KB. */
export async function streamMemory(stack: Stack, count = 2_000): Promise<Measure> {
  await using server = await start(stack);
  const connection = await connected(server, stack, "quic");
  const open = () => opened(connection, MODE.idle);
  const kept = await many(200, open);
  const before = await settled(server, 200);
  kept.push(...await many(count, open));
  return { value: (await settled(server, 200 + count) - before) / count / 1024 };
}

/** The server's memory once it has so many streams. */
async function settled(server: Child, streams: number): Promise<number> {
  await until(async () => (await server.ask({})).streams === streams);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return await server.memory();
}

/** The longest pause between answers while the client's address changes in the middle of traffic; milliseconds. */
export async function migration(stack: Stack): Promise<Measure> {
  await using server = await start(stack);
  const { port, hash } = server.hello as Target;
  const proxy = new UdpProxy({ target: { hostname: "127.0.0.1", port } });
  const stream = await opened(await dial(stack, "quic", { port: proxy.port, hash }), MODE.echo);
  const message = new Uint8Array(1024);
  const pauses: number[] = [];
  for (let round = 0; round < 5; round++) {
    let longest = 0;
    for (let i = 0; i < 200; i++) {
      if (i === 100) proxy.rebind();
      const begun = performance.now();
      const came = readAll(stream, message.length);
      await stream.write(message);
      await came;
      if (i >= 100) longest = Math.max(longest, performance.now() - begun);
    }
    pauses.push(longest);
  }
  await proxy.close();
  return { value: median(pauses) };
}

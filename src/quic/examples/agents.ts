/**
 * Agents that work together over QUIC. A coordinator splits a job (counting primes) into parts; ten agents work on ten
 * parts each at a time, every part on a stream of its own, and report progress by datagrams. An agent that leaves loses
 * nothing: its parts go to others.
 *
 *     deno run -A src/quic/examples/agents.ts [agents] [streams] [limit]
 *
 * @module
 */

import { type BidirectionalStream, type Connection, createClient, listen, PRIORITY } from "../mod.ts";
import { makeDevelopmentCertificate } from "./certificate.ts";

const AGENTS = Number(Deno.args[0] ?? 10);
const STREAMS = Number(Deno.args[1] ?? 10);
const LIMIT = Number(Deno.args[2] ?? 200_000);
const PARTS = AGENTS * STREAMS * 2;

interface Part {
  readonly from: number;
  readonly to: number;
}

/** Sends one JSON value; the end of the stream is the end of the value. */
async function send(stream: BidirectionalStream, value: unknown): Promise<void> {
  await stream.write(new TextEncoder().encode(JSON.stringify(value)));
  await stream.end();
}

/** Reads one JSON value. */
async function receive<T>(stream: BidirectionalStream): Promise<T> {
  return await new Response(stream.readable as ReadableStream<Uint8Array<ArrayBuffer>>).json() as T;
}

/** Hands parts to the agents until all are done. Resolves with the number of primes. */
async function coordinate(connections: AsyncIterable<Connection>): Promise<number> {
  const step = Math.ceil(LIMIT / PARTS);
  const waiting: Part[] = Array.from({ length: PARTS }, (_, i) => ({
    from: i * step,
    to: Math.min(LIMIT, (i + 1) * step),
  }));
  const { promise, resolve } = Promise.withResolvers<number>();
  let primes = 0;
  let finished = 0;

  let change = Promise.withResolvers<void>();
  const changed = (): void => {
    change.resolve();
    change = Promise.withResolvers();
  };

  // Keeps one stream of an agent busy until all parts are done.
  const feed = async (agent: Connection): Promise<void> => {
    while (finished < PARTS) {
      const part = waiting.shift();
      if (part === undefined) {
        await change.promise; // A part may come back from an agent that left.
        continue;
      }
      try {
        const stream = await agent.openBidirectionalStream({ priority: PRIORITY.HIGH, wait: true });
        await send(stream, part);
        const { count } = await receive<{ count: number }>(stream);
        primes += count;
      } catch (error) {
        waiting.push(part);
        changed(); // Another agent takes it.
        if (agent.isClosed) return;
        throw error;
      }
      if (++finished === PARTS) {
        resolve(primes);
        changed();
      }
    }
  };
  const lead = async (agent: Connection, name: number): Promise<void> => {
    void (async () => {
      for await (const _ of agent.datagrams); // Progress is counted, and nothing waits for it.
    })();
    await Promise.all(Array.from({ length: STREAMS }, () => feed(agent)));
    const { streamsOpened, datagramsReceived } = agent.stats();
    console.log(`agent ${name}: ${streamsOpened} streams, ${datagramsReceived} progress reports`);
  };
  void (async () => {
    let name = 0;
    for await (const agent of connections) void lead(agent, ++name);
  })();
  return await promise;
}

/** Answers every stream with its part's count. An unreliable agent leaves in the middle of its work. */
async function work(agent: Connection, unreliable: boolean): Promise<void> {
  let parts = 0;
  for await (const stream of agent.incomingBidirectionalStreams) {
    void (async () => {
      const { from, to } = await receive<Part>(stream);
      if (unreliable && ++parts === STREAMS) return await agent.close(1, "agent leaves");
      await agent.sendDatagram(new TextEncoder().encode(`${from}`));
      await send(stream, { count: countPrimes(from, to) });
    })().catch(() => {}); // The connection has ended; the coordinator notices.
  }
}

function countPrimes(from: number, to: number): number {
  let count = 0;
  for (let n = Math.max(2, from); n < to; n++) {
    let prime = true;
    for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0;
    if (prime) count++;
  }
  return count;
}

const { cert, key, hash } = await makeDevelopmentCertificate();
const listener = listen({ hostname: "127.0.0.1", cert, key, alpn: ["agents/1"] });
const client = createClient({ alpn: "agents/1", serverCertificateHashes: [hash] });
const counted = coordinate(listener.connections);
const agents = await Promise.all(
  Array.from({ length: AGENTS }, () => client.connect(`quic://127.0.0.1:${listener.address.port}`)),
);
const working = agents.map((agent, i) => work(agent, i === 0 && AGENTS > 1));
console.log(`${await counted} primes below ${LIMIT}`);
const { connections, streamsAccepted } = client.stats();
console.log(`${connections} agents took ${streamsAccepted} streams`);
await listener.close(0, "done");
await Promise.allSettled(working);

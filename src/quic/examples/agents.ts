/**
 * Several agents working together over QUIC: a coordinator splits a job (counting primes) into parts, workers each
 * take parts over streams of their own and report progress by datagrams. A worker that dies loses nothing: its part
 * goes to another one.
 *
 *     deno run -A src/quic/examples/agents.ts [workers] [limit]
 *
 * @module
 */

import { type BidirectionalStream, connect, type Connection, listen, PRIORITY } from "../mod.ts";
import { makeDevelopmentCertificate } from "./certificate.ts";

const WORKERS = Number(Deno.args[0] ?? 3);
const LIMIT = Number(Deno.args[1] ?? 200_000);
const PARTS = 24;

interface Part {
  readonly from: number;
  readonly to: number;
}

/** One JSON value a stream and direction: its end is the message's end. */
async function send(stream: BidirectionalStream, value: unknown): Promise<void> {
  await stream.write(new TextEncoder().encode(JSON.stringify(value)));
  await stream.end();
}

async function receive<T>(stream: BidirectionalStream): Promise<T> {
  return await new Response(stream.readable as ReadableStream<Uint8Array<ArrayBuffer>>).json() as T;
}

// The coordinator: hands each worker a part, over a stream, as long as there are any.
async function coordinate(
  connections: AsyncIterable<Connection>,
  done: (primes: number) => void,
): Promise<void> {
  const step = Math.ceil(LIMIT / PARTS);
  const todo: Part[] = Array.from({ length: PARTS }, (_, i) => ({
    from: i * step,
    to: Math.min(LIMIT, (i + 1) * step),
  }));
  let primes = 0;
  let finished = 0;
  let name = 0;
  const lead = async (worker: Connection, id: number): Promise<void> => {
    let part: Part | undefined;
    let parts = 0;
    try {
      while ((part = todo.shift()) !== undefined) {
        const stream = await worker.openBidirectionalStream({ priority: PRIORITY.HIGH });
        await send(stream, part);
        const { count } = await receive<{ count: number }>(stream);
        primes += count;
        parts++;
        part = undefined;
        if (++finished === PARTS) done(primes);
      }
    } catch {
      if (part !== undefined) todo.push(part); // somebody else does it
    }
    console.log(`worker ${id}: ${parts} parts, ${worker.stats().datagramsReceived} progress reports`);
  };
  for await (const worker of connections) {
    const id = ++name;
    void (async () => {
      for await (const _ of worker.datagrams); // progress: counted, and nothing waits for it
    })();
    void lead(worker, id);
  }
}

// A worker: answers every stream. The first one leaves in the middle of a part.
async function work(url: string, hash: Uint8Array<ArrayBuffer>, unreliable: boolean): Promise<void> {
  const coordinator = await connect(url, { alpn: "agents/1", serverCertificateHashes: [hash] });
  let parts = 0;
  for await (const stream of coordinator.incomingBidirectionalStreams) {
    const { from, to } = await receive<Part>(stream);
    if (unreliable && ++parts > 2) return coordinator.close(1, "worker leaves");
    await coordinator.sendDatagram(new TextEncoder().encode(`${from}`)).catch(() => {});
    await send(stream, { count: countPrimes(from, to) });
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
const url = `quic://127.0.0.1:${listener.address.port}`;
const result = Promise.withResolvers<number>();
const coordinating = coordinate(listener.connections, result.resolve);
const workers = Array.from({ length: WORKERS }, (_, i) => work(url, hash, i === 0 && WORKERS > 1));
for (const worker of workers) worker.catch(() => {});
console.log(`${await result.promise} primes below ${LIMIT}`);
await listener.close(0, "done");
await Promise.allSettled([...workers, coordinating]);

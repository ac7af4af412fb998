/**
 * Many streams on one connection, each with a priority: the urgent ones are through first although they were opened last.
 *
 *     deno run -A src/quic/examples/priorities.ts
 *
 * @module
 */

import { connect, listen, PRIORITY, type ReceiveStream } from "../mod.ts";
import { makeDevelopmentCertificate } from "./certificate.ts";

const SIZE = 4 * 1024 * 1024;
const { cert, key, hash } = await makeDevelopmentCertificate();
const listener = listen({ hostname: "127.0.0.1", cert, key });
const client = await connect(`quic://127.0.0.1:${listener.address.port}`, {
  serverCertificateHashes: [hash],
});
const started = performance.now();

// The sender: bulk first, the most urgent last.
const levels = Object.entries(PRIORITY).toReversed();
const sending = levels.map(async ([, priority], tag) => {
  const stream = await client.openUnidirectionalStream({ priority });
  const chunk = new Uint8Array(64 * 1024).fill(tag);
  for (let sent = 0; sent < SIZE; sent += chunk.length) await stream.write(chunk);
  await stream.end();
});

// The receiver: reads all streams at once and notes when each is through.
const { value: server } = await listener.connections[Symbol.asyncIterator]().next();
const finished: Promise<void>[] = [];
for await (const stream of server!.incomingUnidirectionalStreams) {
  finished.push(receive(stream));
  if (finished.length === levels.length) break;
}
await Promise.all([...sending, ...finished]);
await client.close();
await listener.close();

async function receive(stream: ReceiveStream): Promise<void> {
  let buffer = new Uint8Array(64 * 1024);
  let tag = 0;
  for (;;) {
    const bytes = await stream.read(buffer);
    if (bytes === null) break;
    tag = bytes[0]!;
    buffer = new Uint8Array(bytes.buffer);
  }
  const [name, priority] = levels[tag]!;
  const ms = (performance.now() - started).toFixed(0).padStart(4);
  console.log(`${ms} ms: ${name} (${priority}) is through, ${stream.stats().bytesReceived} bytes`);
}

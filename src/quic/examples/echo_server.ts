/**
 * Echoes streams and datagrams over raw QUIC and WebTransport on one port.
 *
 *     deno run -A src/quic/examples/echo_server.ts [port]
 *
 * @module
 */

import { type BidirectionalStream, type Connection, listen } from "../mod.ts";
import { makeDevelopmentCertificate } from "./certificate.ts";

const { cert, key, hash } = await makeDevelopmentCertificate();
const listener = listen({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 0), cert, key });
const { port } = listener.address;
console.log("Try it with one of these:");
console.log(`  deno run -A src/quic/examples/echo_client.ts quic://127.0.0.1:${port} ${hash.toHex()}`);
console.log(`  deno run -A src/quic/examples/echo_client.ts https://127.0.0.1:${port}/ ${hash.toHex()}`);

for await (const connection of listener.connections) void serve(connection);

async function serve(connection: Connection): Promise<void> {
  const { hostname, port } = connection.remoteAddress!;
  console.log(`${connection.kind} from ${hostname}:${port}`);
  void echoDatagrams(connection);
  for await (const stream of connection.incomingBidirectionalStreams) void echo(stream);
  const { code, reason, by } = await connection.closed;
  console.log(`${hostname}:${port} ended: ${by} ${code} ${reason}`, connection.stats());
}

async function echo(stream: BidirectionalStream): Promise<void> {
  try {
    let buffer = new Uint8Array(16_384); // one for the whole life of the stream
    for (;;) {
      const bytes = await stream.read(buffer);
      if (bytes === null) break;
      await stream.write(bytes);
      buffer = new Uint8Array(bytes.buffer);
    }
    await stream.end();
  } catch {
    // The connection has ended; its `closed` says how.
  }
}

async function echoDatagrams(connection: Connection): Promise<void> {
  for await (const bytes of connection.datagrams) await connection.sendDatagram(bytes).catch(() => {});
}

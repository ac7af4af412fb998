/**
 * A server of streams: the arguments are `bare` or `library`, and how many streams a peer may have at once. The first byte of a stream says what becomes of the rest:
 * `MODE`; after `sink` come four bytes with the number of bytes that follow, and one byte answers the last of them.
 *
 * @module
 */

import { listen } from "../../../src/quic/mod.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { ALPN, bareStream, MODE, type Stream } from "./stacks.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const { cert, key, hash } = await makeCertificate();
const allowed = Number(Deno.args[1]);
let streams = 0;
const port = Deno.args[0] === "library" ? serveLibrary() : serveBare();
console.log(JSON.stringify({ port, hash: hash.toBase64() }));
for await (const _ of Deno.stdin.readable) console.log(JSON.stringify({ streams }));
// Whoever measures may be killed: the server must not outlive it.
Deno.exit();

function serveLibrary(): number {
  const listener = listen({
    hostname: "127.0.0.1",
    cert,
    key,
    alpn: [ALPN],
    zeroRtt: true,
    maxIdleTimeout: 120_000,
    maxBidirectionalStreams: allowed,
  });
  void (async () => {
    for await (const { incomingBidirectionalStreams } of listener.connections) {
      void (async () => {
        for await (const stream of incomingBidirectionalStreams) void serve(stream).catch(() => {});
      })();
    }
  })();
  return listener.address.port;
}

function serveBare(): number {
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const listener = endpoint.listen({
    cert,
    key,
    alpnProtocols: [ALPN, "h3"],
    maxConcurrentBidirectionalStreams: allowed,
    maxConcurrentUnidirectionalStreams: 100,
    maxIdleTimeout: 120_000,
  });
  void (async () => {
    for (;;) void take(await listener.incoming()).catch(() => {});
  })();
  return endpoint.addr.port;
}

async function take(incoming: Deno.QuicIncoming): Promise<void> {
  const connection = await incoming.accept({ zeroRtt: true });
  connection.closed.catch(() => {});
  let opened: AsyncIterable<{ readable: ReadableStream; writable: WritableStream }> =
    connection.incomingBidirectionalStreams;
  if (connection.protocol === "h3") {
    const session = await Deno.upgradeWebTransport(connection);
    session.closed.catch(() => {});
    await session.ready;
    opened = session.incomingBidirectionalStreams as typeof opened;
  }
  for await (const stream of opened) void serve(bareStream(stream)).catch(() => {});
}

async function serve(stream: Stream): Promise<void> {
  streams++;
  let bytes = await stream.read(new Uint8Array(1024));
  if (bytes === null) return;
  const mode = bytes[0];
  if (mode === MODE.sink) return await sink(stream, bytes);
  let rest: Bytes = bytes.subarray(1);
  for (;;) {
    if (mode === MODE.echo && rest.length > 0) await stream.write(rest);
    // Small until much comes at once: an idle stream costs no large buffer.
    const { byteLength } = bytes.buffer;
    const isFull = bytes.length === byteLength && byteLength < 65_536;
    bytes = await stream.read(isFull ? new Uint8Array(65_536) : new Uint8Array(bytes.buffer));
    if (bytes === null) return await stream.end();
    rest = bytes;
  }
}

/** The head is five bytes, which may come in pieces. */
async function sink(stream: Stream, first: Bytes): Promise<void> {
  const head = new Uint8Array(5);
  let had = 0, wanted = Infinity;
  const look = (bytes: Bytes): void => {
    if (had < 5) head.set(bytes.subarray(0, 5 - had), had);
    had += bytes.length;
    if (had >= 5) wanted = 5 + new DataView(head.buffer).getUint32(1);
  };
  look(first);
  for (let buffer: Bytes = new Uint8Array(65_536); had < wanted;) {
    const bytes = await stream.read(buffer);
    if (bytes === null) return;
    look(bytes);
    buffer = new Uint8Array(bytes.buffer);
  }
  await stream.write(Uint8Array.of(1));
  await stream.end();
}

/**
 * The bare runtime as a server that echoes, over raw QUIC, WebTransport and WebSocket.
 *
 * @module
 */

import { makeCertificate } from "../../support/certificate.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const certificate = await makeCertificate();
const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
const listener = endpoint.listen({
  cert: certificate.cert,
  key: certificate.key,
  alpnProtocols: ["echo", "h3"],
  maxConcurrentBidirectionalStreams: 100,
  maxConcurrentUnidirectionalStreams: 100,
  maxIdleTimeout: 120_000,
});
const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.onerror = () => {};
  socket.onmessage = ({ data }) => socket.send(data);
  return response;
});
console.log(JSON.stringify({
  quicPort: endpoint.addr.port,
  httpPort: http.addr.port,
  hash: certificate.hash.toBase64(),
}));

void accept();

async function accept(): Promise<void> {
  for (;;) {
    const incoming = await listener.incoming();
    void serve(incoming).catch(() => {});
  }
}

async function serve(incoming: Deno.QuicIncoming): Promise<void> {
  const connection = await incoming.accept({ zeroRtt: true });
  connection.closed.catch(() => {});
  if (connection.protocol !== "h3") {
    for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
      void echo(readable as ReadableStream<Bytes>, writable).catch(() => {});
    }
    return;
  }
  const session = await Deno.upgradeWebTransport(connection);
  session.closed.catch(() => {});
  await session.ready;
  const streams = session.incomingBidirectionalStreams as AsyncIterable<WebTransportBidirectionalStream>;
  for await (const { readable, writable } of streams) void echo(readable, writable).catch(() => {});
}

async function echo(readable: ReadableStream<Bytes>, writable: WritableStream): Promise<void> {
  const writer = (writable as WritableStream<Bytes>).getWriter();
  writer.closed.catch(() => {});
  for await (const bytes of readable) await writer.write(bytes);
}

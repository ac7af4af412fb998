/**
 * The bare runtime as a server, with what the client's scenarios need: raw QUIC, WebTransport and WebSocket that echo
 * (`echo`), that answer each message with a short one (`ack`), or that send messages when a line asks for it (`push`).
 * The ALPN, the path of the URL, says which.
 *
 * @module
 */

import { makeCertificate } from "../../support/certificate.ts";
import { TextLineStream } from "../lines.ts";
import { ACK, bursts, countFrames, framed } from "./traffic.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Send = (text: string) => void;

const MODES = ["echo", "ack", "push"];
const certificate = await makeCertificate();
let push: Send = () => {};

const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
const listener = endpoint.listen({
  cert: certificate.cert,
  key: certificate.key,
  alpnProtocols: [...MODES, "h3"],
  maxConcurrentBidirectionalStreams: 100,
  maxConcurrentUnidirectionalStreams: 100,
  maxIdleTimeout: 120_000,
});
const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  const mode = new URL(request.url).pathname.slice(1);
  socket.onerror = () => {};
  if (mode === "push") push = (text) => socket.send(text);
  socket.onmessage = ({ data }) => {
    if (mode === "echo") socket.send(data);
    else if (mode === "ack") socket.send(ACK);
  };
  return response;
});
console.log(JSON.stringify({
  quicPort: endpoint.addr.port,
  httpPort: http.addr.port,
  hash: certificate.hash.toBase64(),
}));

void accept();
for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
  const { messages, text } = JSON.parse(line) as { messages: number; text: string };
  await bursts(messages, () => push(text));
  console.log("{}");
}

async function accept(): Promise<void> {
  for (;;) {
    const incoming = await listener.incoming();
    void serve(incoming).catch(() => {});
  }
}

async function serve(incoming: Deno.QuicIncoming): Promise<void> {
  const connection = await incoming.accept({ zeroRtt: true });
  connection.closed.catch(() => {});
  // With early data the protocol is not known before the handshake; only echoes are dialled so.
  if (connection.protocol !== "h3") {
    const mode = connection.protocol ?? "echo";
    for await (const stream of connection.incomingBidirectionalStreams) {
      void answer(mode, stream.readable as ReadableStream<Bytes>, stream.writable).catch(() => {});
    }
    return;
  }
  const session = await Deno.upgradeWebTransport(connection);
  session.closed.catch(() => {});
  await session.ready;
  const mode = new URL(session.url).pathname.slice(1);
  for await (
    const stream of session.incomingBidirectionalStreams as AsyncIterable<WebTransportBidirectionalStream>
  ) {
    void answer(mode, stream.readable, stream.writable).catch(() => {});
  }
}

async function answer(
  mode: string,
  readable: ReadableStream<Bytes>,
  writable: WritableStream,
): Promise<void> {
  const writer = (writable as WritableStream<Bytes>).getWriter();
  writer.closed.catch(() => {});
  if (mode === "push") push = (text) => void writer.write(framed(text)).catch(() => {});
  const count = countFrames();
  for await (const bytes of readable) {
    if (mode === "echo") await writer.write(bytes);
    else if (mode === "ack") { for (let due = count(bytes); due > 0; due--) await writer.write(framed(ACK)); }
  }
}

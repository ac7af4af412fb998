/**
 * A server of one Yjs document with the bare runtime: it sends every update to all other clients, keeps updates in
 * memory, and sends them to a client that opens the document. A frame is a length as a QUIC varint and an update. An
 * empty frame opens the document; the answer is the number of updates, in digits, and then the updates. A line on stdin
 * merges all updates into one.
 *
 * @module
 */

import * as Y from "yjs";
import { makeCertificate } from "../../support/certificate.ts";
import { TextLineStream } from "../lines.ts";
import { frames } from "../skein/dial.ts";
import { type Bytes, framed, readFrames } from "./frames.ts";

type Send = (bytes: Bytes) => void;

const certificate = await makeCertificate();
const peers = new Set<Send>();
let kept: Uint8Array[] = [];

/** Takes frames of a peer; those that came together are handed on together. */
function take(from: Send, updates: readonly Uint8Array[]): void {
  const fresh = updates.filter(({ length }) => length > 0).map((update) => update.slice());
  if (fresh.length < updates.length) {
    from(framed([new TextEncoder().encode(String(kept.length)), ...kept]));
    peers.add(from);
  }
  if (fresh.length === 0) return;
  kept.push(...fresh);
  const bytes = framed(fresh);
  for (const send of peers) if (send !== from) send(bytes.slice());
}

const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
const listener = endpoint.listen({
  cert: certificate.cert,
  key: certificate.key,
  alpnProtocols: ["relay"],
  maxConcurrentBidirectionalStreams: 100,
  maxIdleTimeout: 120_000,
});
const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.binaryType = "arraybuffer";
  const send: Send = (bytes) => socket.readyState === WebSocket.OPEN && socket.send(bytes);
  socket.onerror = () => {};
  socket.onclose = () => peers.delete(send);
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    const updates: Uint8Array[] = [];
    frames(new Uint8Array(data), (update) => updates.push(update));
    take(send, updates);
  };
  return response;
});

console.log(JSON.stringify({
  quicPort: endpoint.addr.port,
  httpPort: http.addr.port,
  hash: certificate.hash.toBase64(),
}));

void accept();
for await (const _ of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
  kept = [Y.mergeUpdates(kept)];
  console.log("{}");
}
// Whoever measures may be killed: the server must not outlive it.
Deno.exit();

async function accept(): Promise<void> {
  for (;;) {
    const incoming = await listener.incoming();
    void serve(incoming).catch(() => {});
  }
}

async function serve(incoming: Deno.QuicIncoming): Promise<void> {
  const connection = await incoming.accept();
  connection.closed.catch(() => {});
  for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
    const writer = (writable as WritableStream<Bytes>).getWriter();
    writer.closed.catch(() => {});
    const send: Send = (bytes) => void writer.write(bytes).catch(() => peers.delete(send));
    void readFrames(readable, (updates) => take(send, updates)).finally(() => peers.delete(send));
  }
}

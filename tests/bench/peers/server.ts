/**
 * A server of another library on the same runtime: the argument is `ws` or `socket.io`. A client's first message is the
 * mode of its connection: `echo`, `broadcast` (it gets what a line on stdin asks for) or `idle`.
 *
 * @module
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "../../packages/socket_io.ts";
import { WebSocketServer } from "../../packages/ws.ts";
import { clock } from "../child.ts";
import { TextLineStream } from "../lines.ts";

/** A connection of either library. */
interface Peer {
  send(text: string): void;
  /** Bytes that wait for the network. */
  buffered(): number;
}

const members: Peer[] = [];
let connections = 0;
const http = createServer();

/** Takes what a client says; `echo` is what answers it. */
function take(peer: Peer): (text: string) => void {
  let mode = "";
  return (text) => {
    if (mode === "echo") return peer.send(text);
    if (mode !== "") return;
    mode = text;
    connections++;
    if (mode === "broadcast") members.push(peer);
    peer.send("ready");
  };
}

if (Deno.args[0] === "ws") {
  new WebSocketServer({ server: http, perMessageDeflate: false }).on("connection", (socket) => {
    const say = take({ send: (text) => socket.send(text), buffered: () => socket.bufferedAmount });
    socket.on("message", (data: { toString(): string }) => say(data.toString()));
    socket.on("error", () => {});
  });
} else {
  new Server(http, { transports: ["websocket"], perMessageDeflate: false }).on("connection", (socket) => {
    // It tells nothing of what waits.
    const say = take({ send: (text) => void socket.emit("m", text), buffered: () => 0 });
    socket.on("m", say);
  });
}
await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
console.log(JSON.stringify({ httpPort: (http.address() as AddressInfo).port }));

for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
  const { kind, messages, bytes } = JSON.parse(line) as { kind: string; messages: number; bytes: number };
  if (kind === "count") {
    console.log(JSON.stringify({ connections }));
    continue;
  }
  const started = clock();
  const text = "a".repeat(bytes);
  for (let i = 0; i < messages; i++) {
    for (const member of members) member.send(text);
    // As the bare server does: what waits is bounded, and others get their turn.
    if (i % 32 !== 31) continue;
    do await new Promise((resolve) => setImmediate(resolve)); while (
      members.some((member) => member.buffered() > 65536)
    );
  }
  console.log(JSON.stringify({ started }));
}
// Whoever measures may be killed: the server must not outlive it.
Deno.exit();

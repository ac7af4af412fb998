/**
 * The same document over TCP, TLS and WebSocket: `serve HOST CERT KEY` passes each message on to the others, and
 * `edit HOST TIMES PAUSE SEED` types and prints a line when it has.
 *
 * @module
 */

import * as Y from "yjs";
import { edit } from "../../peer/edits.ts";

const [role, host, ...rest] = Deno.args as [string, string, ...string[]];

if (role === "serve") {
  const [cert, key] = await Promise.all(rest.map((path) => Deno.readTextFile(path)));
  const sockets = new Set<WebSocket>();
  const onListen = (): void => console.log("serving");
  Deno.serve({ hostname: host, port: 8443, cert: cert!, key: key!, onListen }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => void sockets.add(socket);
    socket.onclose = () => void sockets.delete(socket);
    socket.onmessage = ({ data }) => {
      for (const other of sockets) if (other !== socket) other.send(data);
    };
    return response;
  });
} else {
  const [times, pause, seed] = rest.map(Number) as [number, number, number];
  const doc = new Y.Doc();
  const socket = new WebSocket(`wss://${host}:8443/`);
  socket.binaryType = "arraybuffer";
  const remote = {};
  doc.on("update", (update, origin) => {
    if (origin !== remote) socket.send(update as Uint8Array<ArrayBuffer>);
  });
  socket.onmessage = ({ data }) => Y.applyUpdate(doc, new Uint8Array(data), remote);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = (event) => reject(new Error((event as ErrorEvent).message));
  });
  console.log("open");
  // The test says when all are there.
  await Deno.stdin.readable.getReader().read();
  await edit(doc.getText("t"), { times, pause, seed });
  console.log("written");
  await new Promise(() => {});
}

/**
 * An echo server on our own WebSocket layer. Run by itself it serves a fuzzing client, such as Autobahn's:
 * `deno run -A tests/websocket/echo_server.ts [PORT]`.
 *
 * @module
 */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { handshake, WebSocketConnection } from "../../src/websocket/mod.ts";

type Options = ConstructorParameters<typeof WebSocketConnection>[2];

/** Starts it on loopback; with `deflateFrom` it takes permessage-deflate. */
export async function echoServer(
  options: Options,
  port = 0,
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer();
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Uint8Array) => {
    const answer = handshake({ method: request.method ?? "", headers: request.headers }, {
      deflate: options.deflateFrom !== undefined,
    });
    if (!answer.ok) return void socket.end(`HTTP/1.1 ${answer.status} refused\r\n\r\n`);
    socket.write(answer.head);
    const connection = new WebSocketConnection(socket, head, {
      ...options,
      deflateFrom: answer.deflate ? options.deflateFrom : undefined,
    });
    connection.start({
      text: (text) => connection.sendText(text),
      binary: (data) => connection.sendBinary(data),
      closed() {},
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

if (import.meta.main) {
  // Such clients send messages of 16 MiB, and one in fragments of 64 bytes.
  const options = { maxMessage: 2 ** 26, deflateFrom: 0, overheadRate: 1e9 };
  const { port } = await echoServer(options, Number(Deno.args[0] ?? 9001));
  console.log(`ws://127.0.0.1:${port}`);
}

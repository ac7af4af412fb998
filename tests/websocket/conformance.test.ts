import { CASES, LIMIT } from "./conformance.ts";
import { echoServer } from "./echo_server.ts";
import { NOT_UTF8 } from "./utf8_cases.ts";
import { RawClient } from "./raw_client.ts";

/**
 * Cases that Deno's own WebSocket fails: it drops the connection without a close frame, and takes frames without a
 * mask. A case that passes now is to be taken off.
 */
const DENO_DIFFERS = new Set<string>([
  "a ping of 126 bytes is a protocol error",
  "a ping in fragments is a protocol error",
  "a continuation of nothing is a protocol error",
  "a new message before the end of the last is a protocol error",
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => `opcode ${opcode} is a protocol error`),
  ...[16, 32, 64, 112].map((bits) => `reserved bits ${bits} are a protocol error`),
  "a frame without a mask is a protocol error",
  ...["a ping", "a close", "bytes", "a continuation"].map((what) =>
    `reserved bits in ${what} are a protocol error`
  ),
  "what comes before a protocol error comes back",
  ...NOT_UTF8.map((bytes) => `text that is not UTF-8 is refused: ${bytes}`),
  "text that is not UTF-8 is refused when it comes in fragments",
  "a length above the limit is refused before the bytes come",
  "a close with one byte is a protocol error",
  "a close of 126 bytes is a protocol error",
  "a close reason that is not UTF-8 is refused",
]);

function denoServer(): { port: number; close(): Promise<void> } {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    socket.binaryType = "arraybuffer";
    socket.onerror = () => {};
    socket.onmessage = ({ data }) => {
      const size = typeof data === "string" ? new TextEncoder().encode(data).length : data.byteLength;
      if (size > LIMIT) socket.close(1009);
      else socket.send(data);
    };
    return response;
  });
  return { port: server.addr.port, close: () => server.shutdown() };
}

const ADAPTERS = [
  { name: "skein", open: () => echoServer({ maxMessage: LIMIT }), differs: new Set<string>() },
  { name: "deno", open: () => Promise.resolve(denoServer()), differs: DENO_DIFFERS },
];

for (const { name, open, differs } of ADAPTERS) {
  Deno.test({
    name: `websocket conformance: ${name}`,
    sanitizeOps: name === "skein",
    sanitizeResources: name === "skein",
    async fn(t) {
      const server = await open();
      try {
        for (const each of CASES) {
          await t.step(each.name, async () => {
            const client = await RawClient.open(server.port);
            const timer = setTimeout(() => client.close(), 2000);
            let failure: unknown;
            try {
              await each.run(client);
            } catch (error) {
              failure = error;
            } finally {
              clearTimeout(timer);
              client.close();
            }
            if (differs.has(each.name)) {
              if (failure === undefined) throw new Error("it passes now: take it off the list");
            } else if (failure !== undefined) throw failure;
          });
        }
      } finally {
        await server.close();
      }
    },
  });
}

/**
 * The runtime's own `node:http`, which reads a JSON body and answers with JSON: what the server API costs before any code of
 * Skein. With a body of lines it answers each line. Its first line says where it listens.
 *
 * @module
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const server = createServer((request, response) => {
  if (request.headers["content-type"] === "application/x-ndjson") lines(request, response);
  else whole(request, response);
});
server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ httpPort: (server.address() as AddressInfo).port }));
});

function whole(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Uint8Array[] = [];
  request.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  request.on("end", () => {
    const text = chunks.map((chunk) => new TextDecoder().decode(chunk)).join("");
    const { channel, commands } = JSON.parse(text) as { channel?: string; commands?: unknown[] };
    const one = { channel, offset: 1, epoch: "e", duplicate: false };
    const result = commands === undefined ? one : { replies: commands.map(() => ({ result: one })) };
    const body = JSON.stringify({ result });
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
    response.end(body);
  });
}

function lines(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  const decoder = new TextDecoder();
  let rest = "";
  request.on("data", (chunk: Uint8Array) => {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop()!;
    const answers = parts.map((part) => {
      const { channel } = JSON.parse(part) as { channel: string };
      return `${JSON.stringify({ result: { channel, offset: 1, epoch: "e", duplicate: false } })}\n`;
    });
    if (answers.length > 0) response.write(answers.join(""));
  });
  request.on("end", () => response.end());
}

/**
 * An endpoint of webhooks in a process of its own: allows everything, and counts. `GET` answers with how many events came.
 *
 * @module
 */

import { createServer } from "node:http";

let events = 0;
const server = createServer((request, response) => {
  if (request.method === "GET") return void response.end(`${events}`);
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (part: string) => body += part);
  request.on("end", () => {
    const { type, data } = JSON.parse(body);
    events += type === "batch" ? data.events.length : 1;
    response.writeHead(204).end();
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ httpPort: (server.address() as { port: number }).port }));
});

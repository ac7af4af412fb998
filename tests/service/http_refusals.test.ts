/** WebSockets that are refused: the running service says so by the status of the upgrade, before there is a WebSocket. */

import assert from "node:assert/strict";
import { startTestService, type TestService } from "../support/service.ts";
import type { ConfigInput } from "../support/config.ts";

/** The answer to an upgrade. */
interface Upgrade {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Asks for a WebSocket; one that comes about is given up again. */
async function upgrade(
  { websocketUrl }: TestService,
  headers: Record<string, string> = {},
): Promise<Upgrade> {
  const { hostname, port, pathname } = new URL(websocketUrl);
  const conn = await Deno.connect({ hostname, port: Number(port) });
  const lines = Object.entries({
    Host: `${hostname}:${port}`,
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  try {
    await conn.write(new TextEncoder().encode(`GET ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n`));
    return parse(await readAnswer(conn));
  } finally {
    conn.close();
  }
}

/** Reads the head, and a body as long as it says. */
async function readAnswer(conn: Deno.Conn): Promise<string> {
  let text = "";
  const chunk = new Uint8Array(4096);
  for (;;) {
    const [head = "", body] = text.split("\r\n\r\n");
    if (body !== undefined && body.length >= Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)) {
      return text;
    }
    const count = await conn.read(chunk);
    if (count === null) return text;
    text += new TextDecoder().decode(chunk.subarray(0, count));
  }
}

function parse(text: string): Upgrade {
  const [head = "", body = ""] = text.split("\r\n\r\n");
  const [first = "", ...lines] = head.split("\r\n");
  const headers = new Map(lines.map((line) => {
    const [name = "", value = ""] = line.split(/:\s*/, 2);
    return [name.toLowerCase(), value] as const;
  }));
  return { status: Number(first.split(" ")[1]), headers, body };
}

/** Registers a test for each WebSocket layer. */
function forEach(name: string, config: ConfigInput, run: (service: TestService) => Promise<void>): void {
  for (const websocket of ["skein", "deno"] as const) {
    Deno.test(`${name} (${websocket})`, async () => {
      const service = await startTestService({ ...config, http: { ...config.http, websocket } });
      try {
        await run(service);
      } finally {
        await service.stop();
      }
    });
  }
}

function refusals(service: TestService): unknown[] {
  return service.lines.filter(({ event }) => event === "connection refused").map(({ reason }) => reason);
}

forEach(
  "http refusals: a page of another origin gets 403, its own and programs a WebSocket",
  { http: { allowedOrigins: ["https://app.example.com"] } },
  async (service) => {
    const refused = await upgrade(service, { Origin: "https://evil.example.com" });
    assert.deepEqual([refused.status, refused.body], [403, "this origin may not connect\n"]);
    assert.equal((await upgrade(service, { Origin: "https://app.example.com" })).status, 101);
    assert.equal((await upgrade(service)).status, 101);
  },
);

forEach(
  "http refusals: an address that connects too often gets 429 and when to come back",
  { session: { perIp: { rate: 1, burst: 2 } } },
  async (service) => {
    const answers = [await upgrade(service), await upgrade(service), await upgrade(service)];
    assert.deepEqual(answers.map(({ status }) => status), [101, 101, 429]);
    const { headers, body } = answers[2]!;
    assert.deepEqual([headers.get("retry-after"), body], ["1", "rate limited\n"]);
    assert.deepEqual(refusals(service), ["rate limited"]);
    assert.equal((await service.stats()).transports.websocket.errors.rate_limited, 1);
  },
);

forEach(
  "http refusals: a node that is full answers 503 and when to come back",
  { session: { maxConnections: 1 } },
  async (service) => {
    const ann = await service.connect("websocket", "ann");
    const { status, headers, body } = await upgrade(service);
    assert.deepEqual([status, headers.get("retry-after"), body], [503, "1", "too many connections\n"]);
    assert.deepEqual(refusals(service), ["too many connections"]);
    await ann.close();
  },
);

forEach(
  "http refusals: a node that drains answers 503",
  { drain: { deadline: "20s" } },
  async (service) => {
    const ann = await service.connect("websocket", "ann");
    const ending = service.service.shutdown("test");
    await ann.next((message) => message.type === "server_notice" && message.payload.kind === "draining");
    const { status, headers, body } = await upgrade(service);
    assert.deepEqual([status, headers.get("retry-after"), body], [503, "1", "shutdown\n"]);
    assert.deepEqual(refusals(service), ["shutdown"]);
    await ann.close();
    await ending;
  },
);

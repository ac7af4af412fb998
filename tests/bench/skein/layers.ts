/**
 * Our own WebSocket layer beside the runtime's: the same service with `http.websocket` set to one and to the other.
 *
 * @module
 */

import type { ConfigInput } from "../../support/config.ts";
import type { Child } from "../child.ts";
import type { Measure, Scenario } from "../scenario.ts";
import { fanOutCost } from "./fanout_cost.ts";
import { fanOut, idle, roundTrip, startSkein } from "./measure.ts";

/** A layer, as the configuration names it. */
type Layer = "deno" | "skein";

/** Seconds of a flood. */
const FLOOD = 3;
/** The most that the runtime's layer takes in before it hands a message over. */
const LARGE = 60 * 1024 * 1024;

/** A scenario whose bare side is the runtime's layer. */
function between(
  name: string,
  unit: Scenario["unit"],
  better: Scenario["better"],
  measure: (over: ConfigInput) => Promise<Measure>,
): Scenario {
  const side = (websocket: Layer) => () =>
    measure({
      http: {
        hostname: "127.0.0.1",
        port: 0,
        perIp: { connections: 20_000, rate: 100_000, burst: 100_000 },
        websocket,
      },
    });
  return {
    name: `websocket layer: ${name}`,
    unit,
    better,
    target: { ratio: 1 },
    bare: side("deno"),
    skein: side("skein"),
  };
}

/** The scenarios of the layers. */
export const LAYER_SCENARIOS: readonly Scenario[] = [
  between("round trip of a ping", "us", "lower", (over) => roundTrip("websocket", "ping", over)),
  between("round trip of a publish", "us", "lower", (over) => roundTrip("websocket", "publish", over)),
  ...[100, 1_000].flatMap((subscribers) => [
    between(
      `fan-out to ${subscribers}`,
      "/s",
      "higher",
      (over) => fanOut("websocket", subscribers, 200_000, over),
    ),
    between(
      `fan-out processor one at a time to ${subscribers}`,
      "us",
      "lower",
      (over) => fanOutCost("websocket", subscribers, { clients: 1, window: 1 }, over),
    ),
  ]),
  {
    ...between(
      "idle memory of 10000",
      "KB",
      "lower",
      async (over) => (await idle("websocket", 10_000, undefined, over)).memory,
    ),
    slow: true,
  },
  between("processor in a flood of pings", "%", "lower", pingFlood),
  between("memory of 4 messages of 60 MiB before authentication", "KB", "lower", largeMessages),
];

/** Share of a core that a client takes that sends pings (opcode 9) as fast as it can and reads what comes. */
async function pingFlood(over: ConfigInput): Promise<Measure> {
  await using server = await startSkein(over);
  using socket = await upgrade(server);
  void drain(socket);
  // A masked ping of no bytes, many times.
  const ping = Uint8Array.of(0x89, 0x80, 1, 2, 3, 4);
  const pings = new Uint8Array(ping.length * 2_000);
  for (let at = 0; at < pings.length; at += ping.length) pings.set(ping, at);
  const used = await server.processorTime(), begun = performance.now();
  const flood = (async () => {
    while (performance.now() - begun < FLOOD * 1_000) await writeAll(socket, pings);
  })().catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, FLOOD * 1_000));
  const value = (await server.processorTime() - used) / (performance.now() - begun) * 100_000;
  socket.close();
  await flood;
  return { value };
}

/** What the service holds while clients that have not authenticated send one large message each. */
async function largeMessages(over: ConfigInput): Promise<Measure> {
  await using server = await startSkein(over);
  const before = await server.memory();
  let most = before;
  const sockets = await Promise.all(Array.from({ length: 4 }, () => upgrade(server)));
  const head = new Uint8Array(14);
  head.set([0x82, 0xff]);
  // One byte more than is sent: the message is never whole.
  new DataView(head.buffer).setBigUint64(2, BigInt(LARGE + 1));
  const chunk = new Uint8Array(65536);
  let left = sockets.length;
  const sending = sockets.map(async (socket) => {
    void drain(socket);
    try {
      await writeAll(socket, head);
      for (let sent = 0; sent < LARGE; sent += chunk.length) await writeAll(socket, chunk);
    } catch {
      // The service has ended the connection.
    } finally {
      left--;
    }
  });
  // A layer that reads no further holds its client up: that is looked at for a while only.
  for (let i = 0; i < 60 && left > 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    most = Math.max(most, await server.memory());
  }
  most = Math.max(most, await server.memory());
  for (const socket of sockets) socket.close();
  await Promise.all(sending);
  return { value: (most - before) / 1024 };
}

/** A connection on which the server speaks WebSocket. */
async function upgrade(server: Child): Promise<Deno.TcpConn> {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: server.hello.httpPort });
  const lines = [
    "GET /connection/websocket HTTP/1.1",
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  await writeAll(socket, new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  const buffer = new Uint8Array(4096);
  let answer = "";
  while (!answer.includes("\r\n\r\n")) {
    const read = await socket.read(buffer);
    if (read === null) throw new Error("the server ended the connection");
    answer += new TextDecoder().decode(buffer.subarray(0, read));
  }
  if (!answer.startsWith("HTTP/1.1 101")) throw new Error(answer.split("\r\n", 1)[0]);
  return socket;
}

async function writeAll(socket: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await socket.write(bytes.subarray(at));
}

/** Reads and drops what comes. */
async function drain(socket: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65536);
  try {
    while (await socket.read(buffer) !== null);
  } catch {
    // The connection was closed.
  }
}

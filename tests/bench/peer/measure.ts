/**
 * Measurements of connections between peers: two processes on loopback, the same work over plain QUIC.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import type { MeetingServers, PeerNode } from "../../../src/peer/mod.ts";
import { type BidirectionalStream, connect, type Connection } from "../../../src/quic/mod.ts";
import { type Child, startChild } from "../child.ts";
import { type Measure, measureTrips, median, quantile } from "../scenario.ts";
import { MODE, openPeer } from "./node.ts";

/** How the two processes are connected. */
export type Carrier = "plain" | "shared" | "fast" | "relayed";

const NO_SERVERS: MeetingServers = { stun: [], turn: [], expiresIn: 3_600_000 };
const SECRET = "bench-secret";

/** Both processes, not connected yet. */
interface Pair extends AsyncDisposable {
  readonly server: Child;
  readonly node: PeerNode | undefined;
  /** Makes the connection. */
  connect(): Promise<Connection>;
}

async function start(carrier: Carrier): Promise<Pair> {
  const resources = new AsyncDisposableStack();
  const servers = carrier === "relayed" ? resources.use(await startTurn()).servers : NO_SERVERS;
  const kind = carrier === "plain" ? "plain" : "peer";
  const server = resources.use(
    await startChild(["-A", "--unstable-net", "tests/bench/peer/server.ts", kind, JSON.stringify(servers)]),
  );
  const { port, hash } = server.hello as { port: number; hash: string };
  const stop = (): Promise<void> => resources.disposeAsync();
  if (carrier === "plain") {
    const address = { hostname: "127.0.0.1", port };
    const options = { alpn: "bench", serverCertificateHashes: [Uint8Array.fromHex(hash)] };
    return { server, node: undefined, connect: () => connect(address, options), [Symbol.asyncDispose]: stop };
  }
  const signals = await Deno.connect({ hostname: "127.0.0.1", port });
  const node = await openPeer(signals, servers);
  resources.defer(() => node.close());
  const { id } = await server.ask({});
  return {
    server,
    node,
    connect: () => node.connect(id, { fastLane: carrier === "fast" }).ready(),
    [Symbol.asyncDispose]: stop,
  };
}

async function startTurn(): Promise<AsyncDisposable & { servers: MeetingServers }> {
  const directory = await Deno.makeTempDir({ prefix: "skein-bench-turn-" });
  const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = probe.addr;
  probe.close();
  const turn = new Deno.Command("turnserver", {
    args: [
      "-n",
      `--listening-port=${port}`,
      "--listening-ip=127.0.0.1",
      "--relay-ip=127.0.0.1",
      "--allow-loopback-peers",
      "--realm=bench.example",
      "--use-auth-secret",
      `--static-auth-secret=${SECRET}`,
      "--no-tls",
      "--no-dtls",
      "--no-cli",
      `--userdb=${directory}/turn.db`,
      `--pidfile=${directory}/turn.pid`,
      "--log-file=stdout",
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const username = `${Math.floor(Date.now() / 1000) + 3600}:bench`;
  const credential = createHmac("sha1", SECRET).update(username).digest("base64");
  const url = `turn:127.0.0.1:${port}?transport=udp`;
  return {
    servers: { stun: [], turn: [{ url, username, credential }], expiresIn: 3_600_000 },
    async [Symbol.asyncDispose]() {
      turn.kill("SIGKILL");
      await turn.status;
      await Deno.remove(directory, { recursive: true });
    },
  };
}

async function opened(quic: Connection, mode: number): Promise<BidirectionalStream> {
  const stream = await quic.openBidirectionalStream();
  await stream.write(Uint8Array.of(mode));
  return stream;
}

async function transfer(quic: Connection, megabytes: number): Promise<number> {
  const chunk = new Uint8Array(64 * 1024);
  const chunks = Math.ceil(megabytes * 1e6 / chunk.length);
  const begun = performance.now();
  const stream = await opened(quic, MODE.sink);
  for (let i = 0; i < chunks; i++) await stream.write(chunk);
  await stream.end();
  await stream.readExact(1);
  return chunks * chunk.length / 1e3 / (performance.now() - begun);
}

/** One stream, 64 KB a write, until the other side has all of it: megabytes a second. */
export async function throughput(carrier: Carrier): Promise<Measure> {
  await using pair = await start(carrier);
  const quic = await pair.connect();
  await transfer(quic, 20);
  return { value: await transfer(quic, carrier === "plain" || carrier === "fast" ? 200 : 100) };
}

/** Seconds of processor time of the receiving process for 100 megabytes. */
export async function processorTime(carrier: Carrier): Promise<Measure> {
  await using pair = await start(carrier);
  const quic = await pair.connect();
  await transfer(quic, 20);
  const before = await pair.server.processorTime();
  await transfer(quic, 100);
  return { value: (await pair.server.processorTime() - before) * 1000 };
}

/** 64 bytes there and back on one stream; microseconds. */
export async function roundTrip(carrier: Carrier): Promise<Measure> {
  await using pair = await start(carrier);
  const stream = await opened(await pair.connect(), MODE.echo);
  const message = new Uint8Array(64);
  return await measureTrips(async () => {
    await stream.write(message);
    await stream.readExact(64);
  }, { trips: 3_000, warmUp: 300 });
}

/** From the wish to the QUIC connection whose both ends are proved; milliseconds. */
export async function connectTime(carrier: Carrier): Promise<Measure> {
  await using pair = await start(carrier);
  const samples: number[] = [];
  for (let i = 0; i < 20; i++) {
    const begun = performance.now();
    const quic = await pair.connect();
    // The first one finds the NAT's behaviour too, and compiles the code.
    if (i >= 5) samples.push(performance.now() - begun);
    const { connections } = pair.node ?? {};
    if (connections === undefined) await quic.close();
    else await Promise.all([...connections.values()].map((connection) => connection.close()));
  }
  return { value: median(samples), p99: quantile(samples, 0.99) };
}

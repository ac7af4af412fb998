/**
 * A peer of the lab, in a process of its own: commands come as JSON lines, and what happens goes out the same way. The
 * test carries the signals.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Connection } from "../../src/quic/mod.ts";
import {
  LanSignalling,
  type MeetingServers,
  PeerError,
  PeerIdentity,
  PeerNode,
  type Signal,
} from "../../src/peer/mod.ts";

/** What the test says. */
export type LabCommand =
  | { do: "connect"; peer: string; fastLane?: boolean }
  | { do: "send"; peer: string; bytes: number }
  | { do: "echo"; peer: string; times: number }
  | { do: "signal"; from: string; signal: Signal }
  | { do: "discover" }
  | { do: "close" };

/** What the peer says. */
export type LabEvent =
  | { on: "open"; id: string }
  | { on: "signal"; to: string; signal: Signal }
  | { on: "state"; peer: string; state: string; error?: string | undefined; at: number }
  | {
    on: "path";
    peer: string;
    kind: string | undefined;
    remote: string | undefined;
    fastLane: boolean;
    at: number;
  }
  | { on: "connected"; peer: string; ms: number }
  | { on: "sent"; hash: string; ms: number; stall: number }
  | { on: "received"; hash: string; bytes: number }
  /** Round trips in ms. `atChange`: the longest one that was under way within a second of a change of the path. */
  | { on: "echoed"; median: number; most: number; atChange: number }
  | { on: "discovered"; mapping: string; filtering: string; mapped: string }
  | { on: "error"; code: string; message: string; stage: string }
  | { on: "closed" };

const [serversText = "{}", caCert = ""] = Deno.args;
// "lan": peers find each other on the local network, and the test carries nothing.
const servers: MeetingServers = serversText === "lan" ? undefined : JSON.parse(serversText);
const say = (event: LabEvent): void => console.log(JSON.stringify(event));
let hear: (from: string, signal: Signal) => void = () => {};

const { identity } = await PeerIdentity.generate();
const node = await PeerNode.open({
  identity,
  signalling: serversText === "lan" ? await LanSignalling.open({ self: identity.id }) : {
    send: (to, signal) => Promise.resolve(say({ on: "signal", to, signal })),
    onSignal: (listener) => void (hear = listener),
    servers: () => Promise.resolve(servers),
  },
  onIncoming: (connection) => {
    watch(connection);
    connection.on({ connection: (quic) => void serve(quic) });
    void connection.ready().then(serve);
  },
  onError: ({ code, message }, { stage }) => say({ on: "error", code, message, stage }),
  ...caCert === "" ? {} : { caCerts: [caCert] },
});
say({ on: "open", id: node.id });

/** When paths have changed. */
const changes: number[] = [];

function watch(connection: ReturnType<PeerNode["connect"]>): void {
  const { peer } = connection;
  connection.on({ path: () => void changes.push(performance.now()) });
  connection.on({
    state: (state, error) => say({ on: "state", peer, state, error: error?.code, at: performance.now() }),
    path: (path) =>
      say({
        on: "path",
        peer,
        kind: path?.kind,
        remote: path?.remote.hostname,
        fastLane: path?.fastLane === true,
        at: performance.now(),
      }),
  });
}

/** Milliseconds before and after a change of the path: the two sides change at different times. */
const AROUND = 1_000;
const served = new WeakSet<Connection>();

/** Hashes what comes on each stream and answers with the hash. On one that begins with one byte each is answered at once. */
async function serve(quic: Connection): Promise<void> {
  if (served.has(quic)) return;
  served.add(quic);
  for await (const stream of quic.incomingBidirectionalStreams) {
    void (async () => {
      const hash = createHash("sha256");
      let bytes = 0, buffer = new Uint8Array(64 * 1024), echoes: boolean | undefined;
      for (let part; (part = await stream.read(buffer)) !== null;) {
        hash.update(part);
        bytes += part.length;
        // Of many bytes, too, a single one may be left for a read.
        echoes ??= part.length === 1;
        if (echoes) await stream.write(part.slice());
        buffer = new Uint8Array(part.buffer);
      }
      const digest = hash.digest("hex");
      if (bytes > 10_000) say({ on: "received", hash: digest, bytes });
      await stream.write(new TextEncoder().encode(digest));
      await stream.end();
    })().catch(() => {});
  }
}

/** Sends so many bytes, and looks how long nothing went forward. */
async function send(peer: string, bytes: number): Promise<void> {
  const quic = await node.connect(peer).ready();
  const stream = await quic.openBidirectionalStream();
  const hash = createHash("sha256");
  const chunk = crypto.getRandomValues(new Uint8Array(16 * 1024));
  const start = performance.now();
  let last = start, stall = 0;
  for (let left = bytes; left > 0; left -= chunk.length) {
    const part = chunk.subarray(0, Math.min(left, chunk.length));
    hash.update(part);
    await stream.write(part);
    const now = performance.now();
    stall = Math.max(stall, now - last);
    last = now;
  }
  await stream.end();
  const answer = new TextDecoder().decode(await stream.readExact(64));
  if (answer !== hash.digest("hex")) throw new PeerError("corrupted");
  say({ on: "sent", hash: answer, ms: performance.now() - start, stall });
}

async function echo(peer: string, times: number): Promise<void> {
  const quic = await node.connect(peer).ready();
  const stream = await quic.openBidirectionalStream();
  const rounds: number[] = [], starts: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await stream.write(Uint8Array.of(7));
    await stream.readExact(1);
    rounds.push(performance.now() - start);
    starts.push(start);
  }
  await stream.end();
  const near = rounds.filter((ms, i) =>
    changes.some((at) => starts[i]! + ms > at - AROUND && starts[i]! < at + AROUND)
  );
  rounds.sort((a, b) => a - b);
  say({
    on: "echoed",
    median: rounds[rounds.length >> 1]!,
    most: rounds.at(-1)!,
    atChange: Math.max(0, ...near),
  });
}

async function obey(command: LabCommand): Promise<void> {
  switch (command.do) {
    case "signal":
      return hear(command.from, command.signal);
    case "connect": {
      const start = performance.now();
      const { peer, fastLane = false } = command;
      const connection = node.connect(peer, { fastLane });
      watch(connection);
      await connection.ready();
      return say({ on: "connected", peer: command.peer, ms: performance.now() - start });
    }
    case "send":
      return await send(command.peer, command.bytes);
    case "echo":
      return await echo(command.peer, command.times);
    case "discover": {
      const found = await node.discoverNat();
      const { mapping = "", filtering = "" } = found?.behaviour ?? {};
      return say({ on: "discovered", mapping, filtering, mapped: found?.mapped.hostname ?? "" });
    }
    case "close":
      await node.close();
      say({ on: "closed" });
      Deno.exit(0);
  }
}

let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    obey(JSON.parse(line)).catch((error) =>
      say({ on: "error", code: error.code ?? error.name, message: error.message, stage: "command" })
    );
  }
}

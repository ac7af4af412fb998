/**
 * Measurements of peers on machines with NATs and links between them, in network namespaces. Needs root, coturn and
 * nftables.
 *
 * @module
 */

import { delay } from "../../../src/async/deadline.ts";
import { Peers } from "../../peer/lab.ts";
import { introduce, LabWriter } from "../../peer/lab_writers.ts";
import { type LabNat, NatLab, SERVER, type Side } from "../../peer/natlab.ts";
import { type Measure, median, quantile } from "../scenario.ts";

/** Milliseconds from peer to peer and back. */
const RTT = 40;
const SIDES = ["A", "B"] as const;

/** NATs with a direct path between them, and without. */
export type LabPath = "punched" | "relayed";
const NATS: Record<LabPath, readonly [LabNat, LabNat]> = {
  punched: ["portrestricted", "portrestricted"],
  relayed: ["symmetric", "symmetric"],
};

/** Two NATs with `RTT` between the machines behind them. */
async function slowLab(path: LabPath): Promise<NatLab> {
  const lab = await NatLab.start(...NATS[path]);
  // Each link has a quarter of the round trip in each direction.
  for (const side of SIDES) await lab.slow(side, RTT / 4);
  return lab;
}

/** From the wish to the connection whose both ends are proved; milliseconds. Each time between programs that just started. */
export async function connectTime(path: LabPath): Promise<Measure> {
  await using lab = await slowLab(path);
  const samples: number[] = [];
  for (let i = 0; i < 7; i++) {
    await using peers = await Peers.start(lab, { signalDelay: RTT / 2 });
    samples.push(await peers.connect());
  }
  return { value: median(samples), p99: quantile(samples, 0.99) };
}

/** From a change of the document at one writer until the other one has it; milliseconds. */
export async function operationLatency(path: LabPath): Promise<Measure> {
  await using lab = await slowLab(path);
  await using a = new LabWriter(lab, "A"), b = new LabWriter(lab, "B");
  await introduce([a, b], RTT / 2);
  const written = a.next("written");
  a.tell({ do: "stamp", times: 100, pause: 30 });
  const samples: number[] = [];
  while (samples.length < 100) samples.push((await b.next("stamped")).ms);
  await written;
  return { value: median(samples), p99: quantile(samples, 0.99) };
}

/**
 * How much longer than others the longest round trip takes within a second of the change of the path; milliseconds. `punched`: the relay gives
 * way to a direct path. `relayed`: the direct path dies, and it has to be found out that it has.
 */
export async function switchStall(to: LabPath): Promise<Measure> {
  await using lab = await slowLab("punched");
  if (to === "punched") await lab.blockDirect();
  await using peers = await Peers.start(lab, { signalDelay: RTT / 2 });
  await peers.connect();
  const from = to === "punched" ? "relayed" : "punched";
  if (peers.path() !== from) await peers.a.next("path", ({ kind }) => kind === from);
  // The other candidates are checked every few seconds: the change comes within the trips.
  peers.a.tell({ do: "echo", peer: peers.b.id, times: to === "punched" ? 400 : 100 });
  await delay(500);
  if (to === "punched") await lab.unblockDirect();
  else await lab.blockDirect();
  const { median, atChange } = await peers.a.next("echoed", undefined, 60_000);
  if (peers.path() !== to) throw new Error(`the path has not changed: ${peers.path()}`);
  return { value: atChange - median };
}

/** Bytes that a machine's network device has sent and received. */
async function bytesOf(lab: NatLab, side: Side): Promise<number> {
  const counters = ["tx_bytes", "rx_bytes"].map((name) => `/sys/class/net/eth0/statistics/${name}`);
  const { stdout } = await lab.in(`c${side}`, ["cat", ...counters]);
  return stdout.trim().split("\n").reduce((sum, line) => sum + Number(line), 0);
}

const TYPING = { times: 400, pause: 25 } as const;
/** Milliseconds for the last packets to come. */
const SETTLE = 1_000;

/** What crosses the devices of two machines whose users type for ten seconds; kilobytes, by a direct path of peers. */
export async function wireOfPeers(): Promise<Measure> {
  await using lab = await NatLab.start("portrestricted", "portrestricted");
  await using a = new LabWriter(lab, "A"), b = new LabWriter(lab, "B");
  await introduce([a, b]);
  return await typed(lab, async () => {
    const written = [a, b].map((writer) => writer.next("written"));
    [a, b].forEach((writer, i) => writer.tell({ do: "write", ...TYPING, seed: i + 1 }));
    await Promise.all(written);
  });
}

/** The same over WebSocket in TLS on TCP, by a server that passes on the same updates. */
export async function wireOfSockets(): Promise<Measure> {
  await using lab = await NatLab.start("portrestricted", "portrestricted");
  const script = new URL("./wire_socket.ts", import.meta.url).pathname;
  const deno = [Deno.execPath(), "run", "-A", "--no-check", "--quiet", "--lock=tests/deno.lock"];
  const { cert, key } = lab.certificateFiles;
  const options = { stdin: "piped", stdout: "piped", stderr: "inherit" } as const;
  const server = lab.spawn("inet", [...deno, script, "serve", SERVER, cert, key], options);
  const said = server.stdout.getReader();
  await said.read();
  const clients = SIDES.map((side, i) => {
    const { times, pause } = TYPING;
    const typing = [`${times}`, `${pause}`, `${i + 1}`];
    const child = lab.spawn(side, [...deno, `--cert=${cert}`, script, "edit", SERVER, ...typing], options);
    return { child, out: child.stdout.getReader() };
  });
  for (const { out } of clients) await out.read();
  return await typed(lab, async () => {
    for (const { child } of clients) await child.stdin.getWriter().write(Uint8Array.of(10));
    for (const { out } of clients) await out.read();
  });
}

async function typed(lab: NatLab, type: () => Promise<void>): Promise<Measure> {
  const sum = async (): Promise<number> => (await bytesOf(lab, "A")) + (await bytesOf(lab, "B"));
  const before = await sum();
  await type();
  await delay(SETTLE);
  return { value: (await sum() - before) / 1_000 };
}

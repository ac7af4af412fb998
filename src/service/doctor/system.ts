/**
 * UDP buffers, file descriptors, clock and runtime. Measuring and judging are separate functions.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import { fail, type Finding, ok, warn } from "./check.ts";

/** UDP receive buffer with which no bursts were dropped on a fast link, in bytes. */
const WANTED_BUFFER = 4 * 1024 * 1024;
/** Bytes of a packet in the measurement: about what QUIC sends. */
const PACKET = 1200;
/**
 * Packets that a socket with such a buffer always holds: the system counts about 2,300 bytes for one.
 * Exported for tests.
 */
export const WANTED_PACKETS = 1500;
/** Most files that are opened to find the limit. */
const MOST_FILES = 65_536;
/** Descriptors that are not connections: listeners, files, those of the runtime. */
const SPARE_DESCRIPTORS = 128;
/** The Deno release whose QUIC was tested. */
const MADE_FOR = "2.9";
/** A clock before this time is wrong: this program did not exist. */
const EARLIEST = Date.UTC(2025, 0, 1);
/** A clock after this time is wrong too. */
const LATEST = Date.UTC(2100, 0, 1);

/** Judges how many packets a UDP socket keeps while the program is busy. */
export function judgeBuffer(packets: number): Finding {
  if (packets >= WANTED_PACKETS) {
    return ok(`A UDP socket keeps ${packets} packets of ${PACKET} bytes or more.`);
  }
  return warn(
    `A UDP socket keeps ${packets} packets of ${PACKET} bytes: longer bursts are dropped and sent again.`,
    `sysctl -w net.core.rmem_default=${WANTED_BUFFER} net.core.rmem_max=${WANTED_BUFFER}, and the same in ` +
      `/etc/sysctl.d; it gave 27 % more throughput at 100 streams.`,
  );
}

/** Judges the limit of open files by the number of connections that are allowed. */
export function judgeDescriptors(limit: number, maxConnections: number): Finding {
  const wanted = maxConnections + SPARE_DESCRIPTORS;
  if (limit >= wanted) {
    return ok(`${wanted} files may be open at once, enough for session.maxConnections.`);
  }
  return warn(
    `${limit} files may be open, but session.maxConnections is ${maxConnections} and each WebSocket takes one.`,
    `Raise it (ulimit -n ${wanted}; LimitNOFILE=${wanted} in a systemd unit), or lower session.maxConnections.`,
  );
}

/** Judges the clock, on which tokens and certificates depend. */
export function judgeClock(now: number): Finding {
  if (now >= EARLIEST && now < LATEST) return ok(`The clock says ${new Date(now).toISOString()}.`);
  const said = Number.isFinite(now) && Math.abs(now) <= 8.64e15 ? new Date(now).toISOString() : String(now);
  return fail(
    `The clock says ${said}: no token and no certificate will be accepted.`,
    "Set the clock, and let NTP keep it.",
  );
}

/** Judges the runtime by its version and whether it has QUIC at all. */
export function judgeRuntime(version: string, hasQuic: boolean): Finding {
  if (!hasQuic) {
    return fail(
      `Deno ${version} has no QUIC here.`,
      'Run it with "unstable": ["net"] from deno.json, or with --unstable-net.',
    );
  }
  if (version.startsWith(`${MADE_FOR}.`)) return ok(`Deno ${version}.`);
  return warn(
    `Deno ${version}: this is made for ${MADE_FOR}, and Deno's QUIC is not stable yet.`,
    `Run it with Deno ${MADE_FOR}.`,
  );
}

/**
 * How many packets a UDP socket on loopback keeps while nobody reads: packets are sent, then counted. Only a program
 * with all permissions could read the size of the buffer from procfs.
 */
export async function measureBuffer(signal: AbortSignal): Promise<number> {
  const address = { transport: "udp", hostname: "127.0.0.1", port: 0 } as const;
  const receiver = Deno.listenDatagram(address);
  const sender = Deno.listenDatagram(address);
  const stop = () => receiver.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const packet = new Uint8Array(PACKET);
    for (let sent = 0; sent < WANTED_PACKETS; sent++) await sender.send(packet, receiver.addr);
    // Any packet may be lost, so the count ends when nothing comes for a while.
    const silence = () => new Error("no packet");
    const arrives = () => deadline(receiver.receive(), 100, silence).then(() => true, () => false);
    let kept = 0;
    while (await arrives()) kept++;
    return kept;
  } finally {
    signal.removeEventListener("abort", stop);
    sender.close();
    if (!signal.aborted) receiver.close();
  }
}

/**
 * How many files this process may have open: the limit where procfs can be read, else how many of `wanted` could be
 * opened at once. `proc` is where procfs is mounted.
 */
export async function measureDescriptors(proc: string, maxConnections: number): Promise<number> {
  try {
    const line = /^Max open files\s+(\d+|unlimited)\s/m.exec(await Deno.readTextFile(`${proc}/self/limits`));
    if (line) return line[1] === "unlimited" ? Infinity : Number(line[1]);
  } catch {
    // Not Linux, or not all permissions.
  }
  return openFiles(maxConnections + SPARE_DESCRIPTORS);
}

function openFiles(wanted: number): number {
  const path = Deno.makeTempFileSync({ prefix: "skein-doctor-" });
  const files: Deno.FsFile[] = [];
  try {
    while (files.length < Math.min(wanted, MOST_FILES)) files.push(Deno.openSync(path));
  } catch {
    // The limit.
  } finally {
    for (const file of files) file.close();
    Deno.removeSync(path);
  }
  return files.length < MOST_FILES ? files.length : Infinity;
}

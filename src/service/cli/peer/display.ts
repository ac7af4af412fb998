/**
 * How peers, paths and progress read in a terminal. Pure, but for `StatusLine`.
 *
 * @module
 */

import type { PeerConnection, PeerId } from "../../../client/peer.ts";

type Path = NonNullable<PeerConnection["path"]>;

const PATHS: Record<Path["kind"], string> = {
  direct: "direct",
  punched: "punched (direct, through holes in the NATs)",
  relayed: "relayed (by a TURN server)",
};
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
/** Characters of the bar. */
const BAR = 20;

/** `relayed (by a TURN server), 43 ms round trip` */
export function describePath(path: Path | undefined): string {
  if (path === undefined) return "no path";
  return PATHS[path.kind] + (path.fastLane ? ", fast lane" : "") +
    (path.rtt === undefined ? "" : `, ${path.rtt.toFixed(path.rtt < 10 ? 1 : 0)} ms round trip`);
}

/** Calls `tell` when the path is of another kind: that it leads to another address of the same machine is no news. */
export function onOtherKind(
  connection: PeerConnection,
  tell: (path: Path | undefined) => void,
): (path: Path | undefined) => void {
  let last = connection.path?.kind;
  return (path) => {
    if (path?.kind === last) return;
    last = path?.kind;
    tell(path);
  };
}

/** An id where the whole one would be too long to read. */
export function shortId(peer: PeerId): string {
  return `${peer.slice(0, 8)}…`;
}

/** `27.1 MiB` */
export function describeBytes(bytes: number): string {
  let unit = 0, value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `8.1 MiB/s` */
export function describeRate(bytes: number, ms: number): string {
  return `${describeBytes(bytes / Math.max(ms, 1) * 1000)}/s`;
}

/** `1 min 5 s` */
export function describeTime(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** What others have sent, without what could move the cursor, change colours or pretend to be another line. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

/** A transfer under way. */
export interface Progress {
  readonly name: string;
  readonly size: number;
  readonly received: number;
  /** Bytes of this connection, and the milliseconds they took. */
  readonly moved: number;
  readonly ms: number;
  readonly path: Path | undefined;
}

/** `a.bin  [#####-----]  54 %  27.1 of 50.0 MiB  8.3 MiB/s  3 s left  relayed` */
export function describeProgress(progress: Progress): string {
  const { name, size, received, moved, ms, path } = progress;
  const share = size === 0 ? 1 : received / size;
  const filled = Math.floor(share * BAR);
  const left = moved === 0 ? "" : `${describeTime((size - received) / moved * ms)} left`;
  return [
    name.length > 30 ? `${name.slice(0, 29)}…` : name,
    `[${"#".repeat(filled)}${"-".repeat(BAR - filled)}]`,
    `${Math.floor(share * 100)} %`.padStart(5),
    `${describeBytes(received)} of ${describeBytes(size)}`,
    describeRate(moved, ms),
    left,
    path?.kind ?? "no path",
  ].filter((part) => part !== "").join("  ");
}

/** The last line of a terminal, written again and again, and lines that scroll by above it. */
export class StatusLine {
  readonly #write: (text: string) => void;
  readonly #live: boolean;
  #shown = "";

  /** @param live Whether it is a terminal; otherwise only whole lines are written. */
  constructor(write: (text: string) => void, live: boolean) {
    this.#write = write;
    this.#live = live;
  }

  /** Shows `text` until the next call. Nothing where it is no terminal. */
  show(text: string): void {
    if (!this.#live || text === this.#shown) return;
    const { columns } = Deno.consoleSize();
    this.#write(`\r\x1b[K${text.slice(0, columns - 1)}`);
    this.#shown = text;
  }

  /** A line that stays. */
  line(text: string): void {
    const shown = this.#shown;
    this.clear();
    this.#write(`${text}\n`);
    if (shown !== "") this.show(shown);
  }

  clear(): void {
    if (this.#shown !== "") this.#write("\r\x1b[K");
    this.#shown = "";
  }
}

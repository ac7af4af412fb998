/**
 * Two peers in the NAT lab, and what they say.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import { deadline } from "../../src/async/deadline.ts";
import type { MeetingServers } from "../../src/peer/mod.ts";
import type { LabCommand, LabEvent } from "./lab_peer.ts";
import { type NatLab, SERVER, type Side, TURN_SECRET } from "./natlab.ts";

/** Which TURN transports the peers are told of. */
export type TurnKind = "udp" | "tcp" | "tls";

/** What the lab begins with. */
export interface LabOptions {
  /** @default ["udp", "tcp"] */
  readonly turn?: readonly TurnKind[];
  /** The machines. @default ["A", "B"] */
  readonly sides?: readonly [Side, Side];
  /** Milliseconds each signal takes. @default 0 */
  readonly signalDelay?: number;
}

/** A peer in the lab. */
export class LabPeer {
  readonly events: LabEvent[] = [];
  id = "";
  onSignal: (event: Extract<LabEvent, { on: "signal" }>) => void = () => {};
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #waiting: (() => void)[] = [];
  readonly #taken = new Set<LabEvent>();

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    void this.#read();
  }

  tell(command: LabCommand): void {
    this.#writer.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`)).catch(() => {});
  }

  /** The first event of a kind that nobody has taken yet. */
  async next<T extends LabEvent["on"]>(
    on: T,
    matches: (event: Extract<LabEvent, { on: T }>) => boolean = () => true,
    ms = 60_000,
  ): Promise<Extract<LabEvent, { on: T }>> {
    const wait = async (): Promise<Extract<LabEvent, { on: T }>> => {
      for (;;) {
        for (const event of this.events) {
          if (this.#taken.has(event)) continue;
          if (event.on === "error" && event.stage === "command") {
            throw new Error(`${event.code}: ${event.message}`);
          }
          if (event.on !== on || !matches(event as Extract<LabEvent, { on: T }>)) continue;
          this.#taken.add(event);
          return event as Extract<LabEvent, { on: T }>;
        }
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    };
    return await deadline(
      wait(),
      ms,
      () => new Error(`no ${on} within ${ms} ms: ${JSON.stringify(this.events.slice(-8))}`),
    );
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (!line.startsWith("{")) continue;
        const event = JSON.parse(line) as LabEvent;
        if (event.on === "signal") this.onSignal(event);
        else this.events.push(event);
        for (const wake of this.#waiting.splice(0)) wake();
      }
    }
  }

  async stop(): Promise<void> {
    await this.#writer.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch { /* It has ended. */ }
    await this.#child.status;
  }
}

/** A peer on each side of a lab. */
export class Peers implements AsyncDisposable {
  readonly a: LabPeer;
  readonly b: LabPeer;

  private constructor(a: LabPeer, b: LabPeer) {
    this.a = a;
    this.b = b;
  }

  static async start(nat: NatLab, options: LabOptions = {}): Promise<Peers> {
    const [a, b] = options.sides ?? ["A", "B"];
    const peers = [open(nat, a, options), open(nat, b, options)] as const;
    const started = new Peers(...peers);
    try {
      for (const peer of peers) peer.id = (await peer.next("open")).id;
      for (const [from, to] of [peers, [peers[1], peers[0]]] as const) {
        from.onSignal = ({ signal }) => {
          const pass = (): void => to.tell({ do: "signal", from: from.id, signal });
          if (options.signalDelay === undefined) pass();
          else setTimeout(pass, options.signalDelay);
        };
      }
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A calls B. Resolves with the milliseconds it took. */
  async connect(): Promise<number> {
    this.a.tell({ do: "connect", peer: this.b.id });
    return (await this.a.next("connected")).ms;
  }

  /** Resolves once A uses a path of this kind: where the machine is busy, the relay may be there before a better one. */
  async reaches(kind: string): Promise<void> {
    while (this.path() !== kind) await this.a.next("path", (event) => event.kind === kind);
  }

  /**
   * As `send`, over a path of this kind from the first byte to the last. A busy machine may answer two checks late, and the
   * path is left for a moment: then another transfer begins once it is back.
   */
  async sendBy(kind: string, bytes: number): Promise<{ ms: number; stall: number }> {
    for (let tries = 0; tries < 5; tries++) {
      await this.reaches(kind);
      const before = this.a.events.length;
      const sent = await this.send(bytes);
      if (this.a.events.slice(before).every((event) => event.on !== "path" || event.kind === kind)) {
        return sent;
      }
    }
    throw new Error(`no transfer by a path that is ${kind} all the time`);
  }

  /** A sends so many bytes to B, which has hashed them. Resolves with the time, and the longest one without progress. */
  async send(bytes: number): Promise<{ ms: number; stall: number }> {
    this.a.tell({ do: "send", peer: this.b.id, bytes });
    const sent = await this.a.next("sent", undefined, 120_000);
    return sent;
  }

  /** The path a peer uses: the last one it told. */
  path(peer: LabPeer = this.a): string | undefined {
    const last = peer.events.findLast((event) => event.on === "path");
    return last?.on === "path" ? last.kind : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.a.stop();
    await this.b.stop();
  }
}

function open(nat: NatLab, side: Side, options: LabOptions): LabPeer {
  return new LabPeer(spawnPeer(nat, side, "lab_peer.ts", options.turn));
}

/** Starts a program of this folder on a machine, with the lab's servers and the certificate of TURN as arguments. */
export function spawnPeer(
  nat: NatLab,
  side: Side,
  program: string,
  turn: readonly TurnKind[] = ["udp", "tcp"],
): Deno.ChildProcess {
  const username = `${Math.floor(Date.now() / 1000) + 3600}:${side}`;
  const credential = createHmac("sha1", TURN_SECRET).update(username).digest("base64");
  const urls = { udp: `turn:${SERVER}`, tcp: `turn:${SERVER}?transport=tcp`, tls: `turns:${SERVER}` };
  const servers: MeetingServers = {
    stun: [`stun:${SERVER}`],
    turn: turn.map((kind) => ({ url: urls[kind], username, credential })),
    expiresIn: 3_600_000,
  };
  return nat.spawn(side, [
    Deno.execPath(),
    "run",
    "-A",
    "--unstable-net",
    "--no-check",
    "--quiet",
    `--lock=${new URL("../deno.lock", import.meta.url).pathname}`,
    new URL(`./${program}`, import.meta.url).pathname,
    JSON.stringify(servers),
    nat.caCert,
  ], { stdin: "piped", stdout: "piped", stderr: "inherit" });
}

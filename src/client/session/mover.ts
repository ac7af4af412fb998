/**
 * Moves a living session to another transport: up to QUIC when it comes through again, down to WebSocket when QUIC is
 * too poor.
 *
 * @module
 */

import { SkeinError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";
import type { Path } from "../policy/race.ts";
import { ProbeSchedule } from "../policy/probing.ts";
import { isWorthwhile, PathJudge } from "../policy/quality.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";

/** Pings that a path has to answer before the session moves to it. */
const PROBE_PINGS = 3;
/** Milliseconds each of them may take. */
const PROBE_TIMEOUT = 3000;
/** Milliseconds after a change of network before QUIC is tried. */
const AFTER_CHANGE = 1000;

/** What a mover asks for. */
export interface MoveRequest {
  readonly only: readonly Path[];
  readonly reason: "probe" | "poor";
  probe(link: Link): Promise<void>;
}

/** What a mover needs of the session. */
export interface MoverHost {
  /** Moves the session; false when the other path did not come through. Never rejects. */
  move(request: MoveRequest): Promise<boolean>;
  has(path: Path): boolean;
  openUntil(path: Path): number;
  /** QUIC is alive but not good enough: WebSocket is preferred for a while. */
  demote(path: Path): void;
}

/** Decides when to move. */
export class Mover implements SessionPart {
  readonly #options: ResolvedOptions;
  readonly #host: MoverHost;
  readonly #schedule: ProbeSchedule;
  #judge: PathJudge | undefined;
  #path: Path | undefined;
  #cancel: (() => void) | undefined;
  #moving = false;

  constructor(options: ResolvedOptions, host: MoverHost) {
    this.#options = options;
    this.#host = host;
    this.#schedule = new ProbeSchedule(options.random, options.probing === false ? {} : options.probing);
  }

  attach({ path }: Link): void {
    this.detach();
    this.#path = path;
    const { quality } = this.#options;
    this.#judge = path === "quic" && quality !== false ? new PathJudge(quality) : undefined;
    if (path === "websocket") this.#plan();
  }

  detach(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#path = undefined;
    this.#judge = undefined;
  }

  /** A round trip on the path in use. */
  roundTrip(ms: number): void {
    const now = this.#options.clock.now();
    this.#judge?.roundTrip(ms, now);
    this.#consider(now);
  }

  /** A numbered datagram on the path in use. */
  datagram(lost: boolean): void {
    const now = this.#options.clock.now();
    this.#judge?.datagram(lost, now);
    this.#consider(now);
  }

  /** There is another network, or there is one again: what failed before may work now. */
  networkChanged(): void {
    const now = this.#options.clock.now();
    this.#judge?.networkChanged(now);
    this.#consider(now);
    this.#schedule.reset();
    if (this.#path === "websocket" && !this.#moving) this.#plan(AFTER_CHANGE);
  }

  #plan(wait?: number): void {
    const { clock, probing } = this.#options;
    this.#cancel?.();
    this.#cancel = undefined;
    if (probing === false || !this.#host.has("quic")) return;
    const now = clock.now();
    const ms = wait ?? this.#schedule.next(now, this.#host.openUntil("quic"));
    this.#cancel = clock.after(ms, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    this.#cancel = undefined;
    if (this.#moving) return;
    this.#moving = true;
    const moved = await this.#host.move({
      only: ["quic"],
      reason: "probe",
      probe: (link) => this.#probePath(link),
    });
    this.#moving = false;
    if (moved) return this.#schedule.reset();
    this.#schedule.failed();
    if (this.#path === "websocket") this.#plan();
  }

  #consider(now: number): void {
    if (
      this.#moving || this.#path !== "quic" || this.#judge?.isPoor(now) !== true ||
      !this.#host.has("websocket")
    ) return;
    this.#moving = true;
    void this.#host.move({ only: ["websocket"], reason: "poor", probe: () => Promise.resolve() }).then(
      (moved) => {
        this.#moving = false;
        if (!moved) return;
        this.#host.demote("quic");
        // A path that was poor a moment ago is given time to heal.
        this.#schedule.failed();
        this.#schedule.failed();
        if (this.#path === "websocket") this.#plan();
      },
    );
  }

  async #probePath(link: Link): Promise<void> {
    const { quality } = this.#options;
    const rtts: number[] = [];
    for (let i = 0; i < PROBE_PINGS; i++) rtts.push(await link.ping(PROBE_TIMEOUT));
    if (quality !== false && !isWorthwhile(rtts, quality)) {
      throw new SkeinError("timeout", "QUIC comes through, but too slowly", { temporary: true });
    }
  }
}

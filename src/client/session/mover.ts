/**
 * Moves a living session to another path: to a better one when that comes through again, to a worse one when its own
 * is too poor.
 *
 * @module
 */

import { SkeinError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";
import type { Path } from "../policy/paths.ts";
import { ProbeSchedule } from "../policy/probing.ts";
import { isWorthwhile, PathJudge } from "../policy/quality.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";

/** Pings that a path has to answer before the session moves to it. */
const PROBE_PINGS = 3;
/** Milliseconds each of them may take. */
const PROBE_TIMEOUT = 3000;
/** Milliseconds after a change of network before a better path is tried. */
const AFTER_CHANGE = 1000;
/** Milliseconds a path has to carry the session before it counts as healed: until then each return is later. */
const SETTLED = 60_000;

/** What a mover asks for. */
export interface MoveRequest {
  readonly only: readonly Path[];
  probe(link: Link): Promise<void>;
}

/** What a mover needs of the session. */
export interface MoverHost {
  /** Paths that there are here, best first. */
  readonly paths: readonly Path[];
  /** Moves the session; false when no path of the request came through. Never rejects. */
  move(request: MoveRequest): Promise<boolean>;
  /** When a path that failed too often may be tried again. */
  openUntil(path: Path): number;
}

/** Decides when to move. */
export class Mover implements SessionPart {
  readonly #options: ResolvedOptions;
  readonly #host: MoverHost;
  readonly #schedule: ProbeSchedule;
  #judge: PathJudge | undefined;
  #better: readonly Path[] = [];
  #worse: readonly Path[] = [];
  #cancel: (() => void) | undefined;
  #moving = false;

  constructor(options: ResolvedOptions, host: MoverHost) {
    this.#options = options;
    this.#host = host;
    this.#schedule = new ProbeSchedule(options.random, options.probing === false ? {} : options.probing);
  }

  attach({ path }: Link): void {
    this.detach();
    const { quality, clock } = this.#options;
    const { paths } = this.#host;
    const at = paths.indexOf(path);
    this.#better = paths.slice(0, at);
    this.#worse = paths.slice(at + 1);
    this.#judge = this.#worse.length > 0 && quality !== false ? new PathJudge(quality) : undefined;
    if (this.#better.length > 0) this.#plan();
    else this.#cancel = clock.after(SETTLED, () => this.#schedule.reset());
  }

  detach(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#better = this.#worse = [];
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
    if (!this.#moving) this.#plan(AFTER_CHANGE);
  }

  /** Looks for a better path later, if there is one. */
  #plan(wait?: number): void {
    const { clock, probing } = this.#options;
    if (probing === false || this.#better.length === 0) return;
    this.#cancel?.();
    const now = clock.now();
    const openUntil = Math.min(...this.#better.map((path) => this.#host.openUntil(path)));
    this.#cancel = clock.after(wait ?? this.#schedule.next(now, openUntil), () => void this.#probe());
  }

  async #probe(): Promise<void> {
    this.#cancel = undefined;
    // That it comes through once does not reset the schedule: it may be poor again at once.
    if (await this.#move(this.#better, (link) => this.#probePath(link))) return;
    this.#schedule.failed();
    this.#plan();
  }

  #consider(now: number): void {
    if (this.#moving || this.#judge?.isPoor(now) !== true) return;
    void this.#move(this.#worse, () => Promise.resolve()).then((moved) => {
      if (!moved) return;
      // A path that was poor a moment ago is given time to heal.
      this.#schedule.failed();
      this.#schedule.failed();
      this.#plan();
    });
  }

  async #move(only: readonly Path[], probe: MoveRequest["probe"]): Promise<boolean> {
    if (this.#moving) return false;
    this.#moving = true;
    const moved = await this.#host.move({ only, probe });
    this.#moving = false;
    return moved;
  }

  async #probePath(link: Link): Promise<void> {
    const { quality } = this.#options;
    const rtts: number[] = [];
    for (let i = 0; i < PROBE_PINGS; i++) rtts.push(await link.ping(PROBE_TIMEOUT));
    if (quality !== false && !isWorthwhile(rtts, quality)) {
      throw SkeinError.temporary("timeout", "the path comes through, but too slowly");
    }
  }
}

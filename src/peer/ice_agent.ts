/**
 * Finds and watches the paths to one peer by connectivity checks (RFC 8445 §7). Other than in ICE no path is nominated:
 * the QUIC connection above does not see paths, so each side sends on the one it finds best, at any time.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { BindingRequests } from "./binding_requests.ts";
import { type Address, familyOf, sameAddress, scopeOf } from "./address.ts";
import type { IceAgentOptions, IceCredentials, LocalSocket } from "./ice_types.ts";
import type { Prediction } from "./nat.ts";
import { kindOf, Path } from "./path.ts";
import { Permits } from "./permits.ts";
import { MAX_FAILURES, nextDecision, selectPath } from "./path_selector.ts";
import type { Candidate, DatagramSocket } from "./ports.ts";
import { ATTRIBUTE, type Attribute, attributeOf, type DecodedMessage } from "./stun/message.ts";
import { Transactions } from "./stun/transactions.ts";

/** A path in use with so many checks unanswered is stale: a better one would have been taken long before. */
const STALE_AFTER = 4;
/** Paths of one agent: the addresses of both sides multiplied. More is an attack. */
const MAX_PATHS = 64;
/** New paths are checked one after another with this pause, so that a NAT or a slow link is not flooded. */
const PACE = 10;
/** A check of a confirmed path that is not answered within this, or 4 round trips, has failed. */
const CHECK_TIMEOUT = 150;
/** A nomination that is not answered is sent again after this many ms, or 1.5 round trips. */
const NOMINATION_PAUSE = 50;

/** A relay is asked again to let a peer in after two checks without an answer, and then after so many each time. */
const PERMIT_AGAIN = 16;

/** What an attribute says by being there. */
const NOTHING = new Uint8Array(0);

/** The checks of one connection. */
export class IceAgent {
  readonly local: IceCredentials;
  /** What the NATs of both sides let expect; known once the peer has said what its NAT does. */
  prediction: Prediction = "unknown";
  readonly paths: Path[] = [];
  current: Path | undefined;
  readonly #options: IceAgentOptions;
  readonly #clock: Clock;
  readonly #binding: BindingRequests;
  readonly #sockets: LocalSocket[] = [];
  readonly #candidates: Candidate[] = [];
  #startedAt: number;
  /** When the peer answered a check first. */
  #answeredAt: number | undefined;
  #lastSent = 0;
  /** When the next check may leave, of all that share the sockets; undefined: no slot is taken. */
  #slot: number | undefined;
  #cancel: (() => void) | undefined;
  readonly #permits: Permits;
  #told = false;
  #closed = false;

  constructor(options: IceAgentOptions) {
    this.#options = options;
    this.local = options.local;
    this.#clock = options.clock;
    this.#permits = new Permits(options.clock);
    this.#binding = new BindingRequests(options.local, new Transactions(options.clock, options.pending));
    this.#startedAt = options.clock.now();
  }

  /** Checks leave from this socket too. */
  addSocket(local: LocalSocket): void {
    if (this.#closed || this.#sockets.includes(local)) return;
    this.#sockets.push(local);
    for (const candidate of this.#candidates) this.#pair(local, candidate.address, candidate.kind);
    this.#schedule();
  }

  /** A socket has ended: its paths too. */
  removeSocket(socket: DatagramSocket): void {
    const index = this.#sockets.findIndex((local) => local.socket === socket);
    if (index < 0) return;
    this.#sockets.splice(index, 1);
    const kept = this.paths.filter((path) => path.socket !== socket);
    this.paths.splice(0, this.paths.length, ...kept);
    this.#decide();
  }

  /** The peer's credentials are known: checks begin. Others than before: a restart, confirmed paths go on meanwhile. */
  setRemote(remote: IceCredentials): void {
    this.#binding.remote = remote;
    this.#schedule();
  }

  /** Addresses of the peer. */
  addCandidates(candidates: readonly Candidate[], replace = false): void {
    if (replace) this.#candidates.length = 0;
    for (const candidate of candidates) {
      if (this.#candidates.length >= MAX_PATHS) return;
      const known = this.#candidates.some(({ address }) => sameAddress(address, candidate.address));
      if (!known) this.#candidates.push(candidate);
      for (const local of this.#sockets) this.#pair(local, candidate.address, candidate.kind);
    }
    this.recheck();
  }

  /** The network has changed: every path is checked now. */
  recheck(): void {
    const now = this.#clock.now();
    for (const path of this.paths) path.hurry(now);
    this.#schedule();
  }

  /** The current path seems dead: packets leave, and nothing comes back. */
  doubt(): void {
    const now = this.#clock.now();
    for (const path of this.paths) if (path.confirmedAt !== undefined) path.hurry(now);
    this.current?.doubted(now);
    this.#schedule();
  }

  /** The path in use is silent: it is checked, and the peer told so by `second`, or it would answer on the silent one. */
  tellSilence(second: Path): void {
    const now = this.#clock.now();
    if (this.current !== undefined) this.#check(this.current, now);
    this.#check(second, now, { type: ATTRIBUTE.silence, value: NOTHING });
    this.#schedule();
  }

  /** The peer is heard on `path`, and on the one in use it is not. */
  leaveFor(path: Path): void {
    const now = this.#clock.now();
    for (const other of this.paths) if (other !== path) other.left(now, other === this.current);
    this.#decide(path);
    this.#schedule();
  }

  /** Packets of the peer come from an address that is not known: a NAT has changed its mapping. */
  suspect(socket: DatagramSocket, from: Address): void {
    const local = this.#sockets.find((one) => one.socket === socket);
    if (local === undefined) return;
    this.#pair(local, from, "reflexive")?.hurry(this.#clock.now());
    this.#schedule();
  }

  /**
   * Tells the peer that `path` is chosen for good. Resolves when it has answered, or has had the time to: its answer may
   * be lost, and its socket closed already.
   */
  async nominate(path: Path): Promise<void> {
    const firstPause = Math.max(NOMINATION_PAUSE, (path.rtt ?? 0) * 1.5);
    const chosen = { type: ATTRIBUTE.useCandidate, value: NOTHING };
    await this.#binding.request(path, { attempts: 3, firstPause }, chosen).catch(() => {});
  }

  /** A binding request that names this agent. Returns the answer, or undefined when it is not the peer's. */
  answer(request: DecodedMessage, socket: DatagramSocket, from: Address): Uint8Array | undefined {
    if (this.#closed || !this.#binding.isForUs(request)) return undefined;
    const local = this.#sockets.find((one) => one.socket === socket);
    if (local !== undefined) {
      const known = this.#candidates.find(({ address }) => sameAddress(address, from));
      const path = this.#pair(local, from, known?.kind ?? "reflexive");
      // It comes from there, so the way there is open now (a triggered check, RFC 8445 §7.3.1.4).
      if (path !== undefined && (path.confirmedAt === undefined || path.failures > 0)) {
        path.hurry(this.#clock.now());
        this.#schedule();
      }
      if (path !== undefined) this.#said(request, path);
    }
    return this.#binding.answer(request, from);
  }

  /** What a check of the peer says besides that it is there. */
  #said(check: DecodedMessage, path: Path): void {
    if (attributeOf(check, ATTRIBUTE.useCandidate) !== undefined) this.#options.onNominated?.(path);
    if (attributeOf(check, ATTRIBUTE.silence) === undefined) return;
    this.current?.hurry(this.#clock.now());
    this.#options.onSilence?.(path);
    this.#schedule();
  }

  /** What was tried, for the error of a search that found nothing. */
  describe(): string {
    return this.paths.length === 0 ? "the peer named no address" : `tried ${this.paths.join(", ")}`;
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#permits.close();
    this.#binding.close();
    this.paths.length = 0;
    this.current = undefined;
  }

  #pair(local: LocalSocket, remote: Address, kind: Candidate["kind"]): Path | undefined {
    const known = this.paths.find((path) => path.socket === local.socket && sameAddress(path.remote, remote));
    if (known !== undefined) {
      if (known.kind === "punched") known.kind = kindOf(local, kind);
      return known;
    }
    const from = local.socket.address.hostname;
    if (familyOf(from) !== familyOf(remote.hostname)) return undefined;
    // A relay in the internet has no way into a private network, and coturn ends one whose packet has no route.
    if (local.relayed && scopeOf(from) === "global" && scopeOf(remote.hostname) !== "global") {
      return undefined;
    }
    if (this.paths.length >= MAX_PATHS && !this.#forgetOne()) return undefined;
    const path = new Path(local.socket, remote, kindOf(local, kind));
    this.paths.push(path);
    this.#options.onCandidatePath?.(path);
    if (local.permit !== undefined) {
      // A relay drops what goes to an address it was not told of.
      path.dueAt = Infinity;
      this.#permit(path, local.permit, false);
    }
    return path;
  }

  #permit(path: Path, permit: NonNullable<LocalSocket["permit"]>, again: boolean): void {
    this.#permits.ask(() => permit(path.remote, again), () => this.paths.includes(path), () => {
      path.hurry(this.#clock.now());
      this.#schedule();
    });
  }

  /** Networks come and go, and each leaves its paths behind. */
  #forgetOne(): boolean {
    const index = this.paths.findIndex((path) => path !== this.current && path.isGivenUp);
    const [path] = index < 0 ? [] : this.paths.splice(index, 1);
    if (path !== undefined) this.#options.onForgotten?.(path);
    return path !== undefined;
  }

  #schedule(): void {
    if (this.#closed || this.#binding.remote === undefined) return;
    this.#cancel?.();
    const now = this.#clock.now();
    const due = this.paths.reduce((soonest, path) => Math.min(soonest, path.dueAt), Infinity);
    const decision = this.current === undefined
      ? nextDecision({ startedAt: this.#startedAt, answeredAt: this.#answeredAt, now })
      : undefined;
    const next = Math.max(due, this.#lastSent + PACE, this.#slot ?? 0);
    const at = Math.min(next, now + (decision ?? Infinity));
    if (at === Infinity) return;
    this.#cancel = this.#clock.after(Math.max(0, Math.ceil(at - now)), () => this.#turn());
  }

  #turn(): void {
    const now = this.#clock.now();
    const due = this.paths.filter((path) => path.dueAt <= now);
    // The one in use first, then those that have waited longest.
    const next = due.find((path) => path === this.current) ??
      due.sort((a, b) => a.dueAt - b.dueAt)[0];
    if (next !== undefined) {
      this.#slot ??= this.#options.pacer.reserve(now);
      if (this.#slot <= now) {
        this.#slot = undefined;
        this.#check(next, now);
      }
    }
    this.#decide();
    this.#schedule();
  }

  #check(path: Path, now: number, ...more: Attribute[]): void {
    this.#lastSent = now;
    path.checked(now, path === this.current);
    const patience = path.confirmedAt === undefined ? 3_000 : Math.max(CHECK_TIMEOUT, (path.rtt ?? 0) * 4);
    // The path decides when it is checked again, so each check is sent once.
    this.#binding.request(path, { attempts: 1, firstPause: patience }, ...more)
      .then((answer) => {
        if (answer.class !== "success") return;
        const at = this.#clock.now();
        const isNew = path.confirmedAt === undefined, failed = path.failures > 0;
        path.confirmed(at, at - now);
        if (failed && path === this.current) this.#options.onRevived?.();
        this.#answeredAt ??= at;
        if (isNew) this.#options.onCandidatePath?.(path);
      }, () => this.#unanswered(path, now))
      .then(() => {
        if (this.#closed) return;
        this.#decide();
        this.#schedule();
      });
  }

  #unanswered(path: Path, sentAt: number): void {
    if (this.#closed) return;
    path.failed(this.#clock.now(), sentAt);
    // A relay forgets whom it lets in after five minutes, and this machine may have slept.
    const { permit } = this.#sockets.find(({ socket }) => socket === path.socket) ?? {};
    if (permit !== undefined && path.failures % PERMIT_AGAIN === MAX_FAILURES) {
      this.#permit(path, permit, true);
    }
    if (path === this.current && path.failures >= STALE_AFTER) this.#options.onStale?.();
  }

  #decide(heard?: Path): void {
    const now = this.#clock.now();
    const searching = this.paths.length === 0 ||
      this.paths.some((path) => path.confirmedAt === undefined && path.dueAt !== Infinity);
    const selection = selectPath(this.paths, {
      current: this.current,
      startedAt: this.#startedAt,
      answeredAt: this.#answeredAt,
      now,
      prediction: this.prediction,
      searching,
      heard,
    });
    const { path } = selection;
    if (path === undefined && selection.give === "wait") return;
    if (this.#told && path === this.current) return;
    if (path === undefined) this.#startedAt = now;
    this.#told = true;
    if (this.current !== undefined && this.current.failures >= MAX_FAILURES) {
      this.current.departures++;
      // What broke that one may have broken this one.
      path?.hurry(now);
    }
    this.current = path;
    this.#options.onPath(path);
  }
}

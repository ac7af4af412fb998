/**
 * Two peers that look for a path to each other: what one side tells and hears until there is one, and as long as it lasts.
 *
 * @module
 */

import { type Deferred, quietDeferred } from "../async/deferred.ts";
import type { Connection } from "../quic/mod.ts";
import { type Address, isAddress, sameAddress, scopeOf } from "./address.ts";
import { randomText } from "./base64url.ts";
import { PeerError } from "./errors.ts";
import type { FastLane } from "./fast_lane.ts";
import { IceAgent } from "./ice_agent.ts";
import type { PeerId } from "./identity.ts";
import type { PeerLink } from "./link.ts";
import type { Multiplexer } from "./multiplexer.ts";
import { type NatBehaviour, predictPath } from "./nat.ts";
import type { Path } from "./path.ts";
import type { AnswerSignal, Candidate, Clock, Introduction } from "./ports.ts";

/** Options of a meeting. */
export interface MeetingOptions {
  readonly peer: PeerId;
  /** @default a new one */
  readonly connection?: string | undefined;
  readonly mux: Multiplexer;
  readonly clock: Clock;
  /** The connection that is made stays on the path it is made on. */
  readonly fast?: FastLane | undefined;
  /** The TCP port on which this side takes signals without the service. */
  readonly signalPort?: number | undefined;
  /** Sends more addresses of this side to the peer. */
  readonly tell: (candidates: readonly Candidate[], replace: boolean) => void;
  /** The path has changed; undefined: there is none now. */
  readonly onPath: (path: Path | undefined) => void;
  /** The path does not answer, and there is no other. */
  readonly onStale: () => void;
}

/** One side of a meeting. */
export class Meeting {
  readonly peer: PeerId;
  readonly connection: string;
  /** Whether it answers a call of the peer. */
  readonly isAnswer: boolean;
  readonly challenge: string = randomText(32);
  readonly link: PeerLink;
  readonly fast: FastLane | undefined;
  /** Resolves with the path that the caller has chosen for good. */
  readonly nominated: Deferred<Path> = quietDeferred();
  /** The peer's answer to our offer. */
  readonly answer: Deferred<AnswerSignal> = quietDeferred();
  /** Resolves with the first path. Rejects with PeerError `no_path`. */
  readonly path: Deferred<Path> = quietDeferred();
  /** The peer has called at the same time, and its call counts. */
  superseded = false;
  /** The connection that came of it. */
  quic: Connection | undefined;
  readonly #mux: Multiplexer;
  readonly #clock: Clock;
  readonly #tell: MeetingOptions["tell"];
  /** Addresses found before the introduction left: the peer would not know what they are for. */
  #held: Candidate[] | undefined = [];
  readonly #endings: (() => void)[] = [];
  readonly #signalPort: number | undefined;
  #remote: Introduction | undefined;
  #closed: Promise<void> | undefined;
  #cancelPatience: (() => void) | undefined;

  constructor(options: MeetingOptions) {
    const { peer, connection, mux, clock, fast, onPath, onStale } = options;
    this.peer = peer;
    this.connection = connection ?? randomText(16);
    this.isAnswer = connection !== undefined;
    this.fast = fast;
    this.#mux = mux;
    this.#clock = clock;
    this.#tell = options.tell;
    this.#signalPort = options.signalPort;
    const agent = new IceAgent({
      // RFC 8445 §5.3 asks for 24 and 128 random bits at least.
      local: { fragment: randomText(9), password: randomText(24) },
      clock,
      pending: mux.pending,
      pacer: mux.pacer,
      onStale,
      onCandidatePath: (path) => mux.expect(this.link, path),
      onForgotten: (path) => mux.forget(this.link, path),
      onSilence: (path) => this.link.peerHearsNothing(path),
      onRevived: () => this.link.pathRevived(),
      onNominated: (path) => this.nominated.resolve(path),
      onPath: (path) => {
        this.link.path = path;
        if (path === undefined) {
          this.path.reject(new PeerError("no_path", `no path to the peer: ${agent.describe()}`));
        } else this.path.resolve(path);
        onPath(path);
      },
    });
    this.link = mux.add(agent);
  }

  get agent(): IceAgent {
    return this.link.agent;
  }

  /** More addresses of this side; `replace`: those told before no longer hold. They follow the introduction. */
  tell(candidates: readonly Candidate[], replace = false): void {
    // A fast lane uses no relay.
    const useful = candidates.filter(({ kind }) => this.fast === undefined || kind !== "relayed");
    if (this.#held === undefined) this.#tell(useful, replace);
    else this.#held = [...replace ? [] : this.#held, ...useful];
  }

  /** The introduction, with the addresses `told`, has left. */
  introduced(told: readonly Candidate[]): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    const more = held.filter(({ address }) => !told.some((known) => sameAddress(known.address, address)));
    if (more.length > 0) this.#tell(more, false);
  }

  /** Calls `fn` when it ends, at once when it has ended. */
  whenEnded(fn: () => void): void {
    if (this.#closed === undefined) this.#endings.push(fn);
    else fn();
  }

  /** Calls `fn` after `ms` milliseconds, unless the connection comes (`established`) or the meeting ends before. */
  giveUpAfter(ms: number, fn: () => void): void {
    if (this.#closed === undefined) this.#cancelPatience = this.#clock.after(ms, fn);
  }

  /** The QUIC connection has come. */
  established(): void {
    this.#cancelPatience?.();
  }

  /** What this side says of itself, still without a signature. */
  introduction(
    certificate: string,
    candidates: readonly Candidate[],
    nat: NatBehaviour | undefined,
  ): Omit<Introduction, "signature"> {
    const { fragment, password } = this.agent.local;
    const { connection, challenge } = this;
    return {
      connection,
      fragment,
      password,
      certificate,
      challenge,
      candidates,
      ...nat === undefined ? {} : { nat },
      ...this.#signalPort === undefined ? {} : { signalPort: this.#signalPort },
      ...this.fast === undefined ? {} : { lane: "fast" as const },
    };
  }

  /** What the other side says of itself, its signature checked: the search begins. */
  begin(introduction: Introduction, ownNat: NatBehaviour | undefined): void {
    const { fragment, password, candidates, nat } = this.#remote = introduction;
    this.agent.prediction = predictPath(ownNat, nat);
    this.agent.addCandidates(candidates);
    this.agent.setRemote({ fragment, password });
    if (this.fast !== undefined && this.agent.prediction === "relayed") {
      this.path.reject(new PeerError("symmetric_nat", "the NATs allow no direct path"));
    }
  }

  /**
   * Where the peer takes signals without the service: at the address that it was reached at, and at those of its
   * interfaces. A program of this machine is no place of a peer that is elsewhere.
   */
  signalAddresses(): Address[] {
    const { signalPort: port, candidates = [] } = this.#remote ?? {};
    if (port === undefined) return [];
    const { path } = this.link;
    const reached = path === undefined || path.kind === "relayed" ? [] : [path.remote.hostname];
    const told = candidates.filter(({ kind }) => kind === "host").map(({ address }) => address.hostname);
    const others = told.filter((hostname) => isAddress(hostname) && scopeOf(hostname) !== "loopback");
    return [...new Set([...reached, ...others])].map((hostname) => ({ hostname, port }));
  }

  /** Resolves when nothing of it is under way any more. */
  close(error: PeerError = new PeerError("closed")): Promise<void> {
    return this.#closed ??= this.#close(error);
  }

  async #close(error: PeerError): Promise<void> {
    this.#cancelPatience?.();
    this.answer.reject(error);
    this.path.reject(error);
    this.nominated.reject(error);
    for (const ended of this.#endings) ended();
    await this.#mux.remove(this.link);
    await this.fast?.close();
  }
}

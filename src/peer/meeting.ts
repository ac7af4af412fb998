/**
 * Two peers that look for a path to each other: what one side tells and hears until there is one, and as long as it lasts.
 *
 * @module
 */

import { type Deferred, quietDeferred } from "../async/deferred.ts";
import { randomText } from "./base64url.ts";
import { PeerError } from "./errors.ts";
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
  readonly connection?: string;
  readonly mux: Multiplexer;
  readonly clock: Clock;
  /** The path has changed; undefined: there is none now. */
  readonly onPath: (path: Path | undefined) => void;
  /** The path does not answer, and there is no other. */
  readonly onStale: () => void;
}

/** One side of a meeting. */
export class Meeting {
  readonly peer: PeerId;
  readonly connection: string;
  readonly challenge: string = randomText(32);
  readonly link: PeerLink;
  /** The peer's answer to our offer. */
  readonly answer: Deferred<AnswerSignal> = quietDeferred();
  /** Resolves with the first path. Rejects with PeerError `no_path`. */
  readonly path: Deferred<Path> = quietDeferred();
  /** The peer has called at the same time, and its call counts. */
  superseded = false;
  readonly #mux: Multiplexer;
  readonly #clock: Clock;
  #closed: Promise<void> | undefined;
  #cancelPatience: (() => void) | undefined;

  constructor({ peer, connection, mux, clock, onPath, onStale }: MeetingOptions) {
    this.peer = peer;
    this.connection = connection ?? randomText(16);
    this.#mux = mux;
    this.#clock = clock;
    const agent = new IceAgent({
      // RFC 8445 §5.3 asks for 24 and 128 random bits at least.
      local: { fragment: randomText(9), password: randomText(24) },
      clock,
      pending: mux.pending,
      onStale,
      onCandidatePath: (path) => mux.expect(this.link, path),
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

  /** Calls `fn` after `ms` milliseconds, unless the connection comes (`established`) or the meeting ends before. */
  giveUpAfter(ms: number, fn: () => void): void {
    this.#cancelPatience = this.#clock.after(ms, fn);
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
    };
  }

  /** What the other side says of itself, its signature checked: the search begins. */
  begin({ fragment, password, candidates, nat }: Introduction, ownNat: NatBehaviour | undefined): void {
    this.agent.prediction = predictPath(ownNat, nat);
    this.agent.addCandidates(candidates);
    this.agent.setRemote({ fragment, password });
  }

  /** Resolves when nothing of it is under way any more. */
  close(error: PeerError = new PeerError("closed")): Promise<void> {
    return this.#closed ??= this.#close(error);
  }

  #close(error: PeerError): Promise<void> {
    this.#cancelPatience?.();
    this.answer.reject(error);
    this.path.reject(error);
    return this.#mux.remove(this.link);
  }
}

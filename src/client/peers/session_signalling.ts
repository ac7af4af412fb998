/**
 * Signals between peers over the session with the service, for peers of every kind.
 *
 * @module
 */

import {
  type Candidate,
  isPeerId,
  type MeetingServers,
  type PeerConnection,
  PeerError,
  type PeerId,
  type PeerIdentity,
  type PeerState,
  type Signal,
  type Signalling,
} from "../../peer/browser.ts";
import { handled } from "../../async/deferred.ts";
import type { PeerCandidate, UnansweredType } from "../../protocol/mod.ts";
import type { SkeinClient } from "../client.ts";
import { eachConnection } from "../each_connection.ts";
import { SkeinError } from "../errors.ts";

/** The types of messages that signals travel as. */
const TYPES = {
  offer: "peer_offer",
  answer: "peer_answer",
  candidate: "peer_candidate",
  close: "peer_close",
} as const satisfies Record<Signal["type"], string>;
const KINDS = new Map(Object.entries(TYPES).map(([kind, type]) => [type as string, kind as Signal["type"]]));
/** Which states end an attempt. */
const OUTCOMES: Partial<Record<PeerState, "connected" | "failed">> = {
  connected: "connected",
  failed: "failed",
};
/** Longest time that is reported, in ms. */
const MAX_DURATION = 600_000;

/**
 * Sends and takes signals as the peer that `identity` is. Announces it whenever the client connects, and again when that
 * has failed.
 */
export class SessionSignalling implements Signalling {
  readonly #client: SkeinClient;
  readonly #identity: PeerIdentity;
  readonly #stop: (() => void)[];
  #take: (from: PeerId, signal: Signal) => void = () => {};
  #announced: Promise<void> | undefined;

  constructor(client: SkeinClient, identity: PeerIdentity) {
    this.#client = client;
    this.#identity = identity;
    this.#stop = [
      // Whoever waits for it is told of a failure.
      eachConnection(client, client.clock, () => this.#announced = handled(this.#announce()), () => {}),
      client.on("message", ({ type, payload }) => {
        const kind = KINDS.get(type);
        const { from, userId: _, candidates, ...rest } = payload as Record<string, unknown>;
        if (kind === undefined || typeof from !== "string" || !isPeerId(from)) return;
        const addresses = Array.isArray(candidates) ? { candidates: candidates.map(toCandidate) } : {};
        this.#take(from, { type: kind, ...rest, ...addresses } as Signal);
      }),
    ];
  }

  /** Whether the service is there. */
  get isConnected(): boolean {
    return this.#client.manager.isConnected();
  }

  /** Resolves when the service knows where this peer is. Rejects with SkeinError. */
  async announced(): Promise<void> {
    if (this.#announced === undefined) await this.#client.connect();
    await this.#announced;
  }

  async send(to: PeerId, signal: Signal): Promise<void> {
    const { type, ...rest } = signal;
    const candidates = "candidates" in signal ? { candidates: signal.candidates.map(fromCandidate) } : {};
    try {
      await this.#whenKnown(() => this.#client.manager.send(TYPES[type], { ...rest, ...candidates, to }));
    } catch (cause) {
      throw peerError(cause);
    }
  }

  onSignal(listener: (from: PeerId, signal: Signal) => void): void {
    this.#take = listener;
  }

  async servers(): Promise<MeetingServers> {
    try {
      return await this.#client.manager.send("peer_relay_credentials", {});
    } catch (cause) {
      throw peerError(cause);
    }
  }

  /** Tells the service how attempts of this connection end, for its metrics. */
  report(connection: PeerConnection): void {
    let since = performance.now();
    connection.on({
      state: (state) => {
        if (state === "connecting" || state === "reconnecting") since = performance.now();
        const outcome = OUTCOMES[state];
        if (outcome === undefined) return;
        const path = connection.path?.kind ?? "none";
        const duration = Math.min(performance.now() - since, MAX_DURATION);
        this.#client.manager.send("peer_report" satisfies UnansweredType, { outcome, path, duration }).catch(
          () => {},
        );
      },
    });
  }

  /** Takes no signals any more. */
  close(): void {
    for (const stop of this.#stop.splice(0)) stop();
  }

  /**
   * Says something that only a peer may say. What waits for a connection is sent before the announcement there: a session
   * that is new refuses it, and it is said again.
   */
  async #whenKnown(say: () => Promise<unknown>): Promise<void> {
    for (;;) {
      await this.announced();
      const announced = this.#announced;
      try {
        await say();
        return;
      } catch (error) {
        if (announced === this.#announced || !isRefusal(error)) throw error;
      }
    }
  }

  async #announce(): Promise<void> {
    const { manager } = this.#client;
    for (;;) {
      const { sessionId } = manager;
      const signature = await this.#identity.announce(sessionId!);
      try {
        await manager.send("peer_announce", { peer: this.#identity.id, signature });
        return;
      } catch (error) {
        // It reached a session that is another one than it was signed for.
        if (sessionId === manager.sessionId || !isRefusal(error)) throw error;
      }
    }
  }
}

function toCandidate({ kind, hostname, port }: PeerCandidate): Candidate {
  return { kind, address: { hostname, port } };
}

function fromCandidate({ kind, address }: Candidate): PeerCandidate {
  return { kind, ...address };
}

function isRefusal(error: unknown): boolean {
  return error instanceof SkeinError && error.error === "permission_denied";
}

function peerError(cause: unknown): PeerError {
  return new PeerError(isRefusal(cause) ? "not_allowed" : "peer_unreachable", (cause as Error).message, {
    cause,
  });
}

/**
 * Peers over a session: connections straight to another program, found through the service. For Deno, with
 * `"unstable": ["net"]`: a browser has no sockets.
 *
 * @module
 */

import { systemClock } from "../async/clock.ts";
import {
  type Candidate,
  firstOf,
  isPeerId,
  type KnownPeers,
  LanSignalling,
  type MeetingServers,
  type PeerConnection,
  type PeerConnectOptions,
  PeerError,
  type PeerId,
  PeerIdentity,
  PeerNode,
  type PeerNodeOptions,
  type PeerState,
  type Signal,
  type Signalling,
} from "../peer/mod.ts";
import type { PeerCandidate, UnansweredType } from "../protocol/mod.ts";
import type { SkeinClient } from "./client.ts";
import { SkeinError } from "./errors.ts";

export {
  type KnownPeer,
  KnownPeers,
  knownPeersFile,
  type KnownPeersOptions,
  type KnownPeerStore,
  type PeerConnection,
  type PeerConnectOptions,
  PeerError,
  type PeerErrorCode,
  type PeerId,
  PeerIdentity,
} from "../peer/mod.ts";

/** Options of a peer. */
export interface SkeinPeerOptions
  extends Pick<PeerNodeOptions, "accept" | "fastLane" | "onIncoming" | "onError" | "caCerts"> {
  /** The key of this device. Keep it: it is who this peer is. @default a new one */
  readonly identity?: PeerIdentity;
  /**
   * Peers are also found on the local network, by multicast DNS, when the service is away or does not know them. Others
   * on that network see the id of this peer. @default false
   */
  readonly local?: boolean;
  /**
   * Remembers the peers that were met, and finds them again where they were while the service is away: this peer listens
   * on a TCP port for signals of known peers. @default none are remembered
   */
  readonly known?: KnownPeers;
}

/** Milliseconds without a session after which the service counts as away. */
const AWAY_AFTER = 3_000;

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

/** A peer on the session of a client. */
export class SkeinPeer {
  readonly #client: SkeinClient;
  readonly #identity: PeerIdentity;
  readonly #node: PeerNode;
  readonly #lan: LanSignalling | undefined;
  /** The peers that were met; undefined: none are remembered. */
  readonly known: KnownPeers | undefined;
  readonly #stop: (() => void)[] = [];
  #announced: Promise<void> | undefined;

  private constructor(
    client: SkeinClient,
    identity: PeerIdentity,
    node: PeerNode,
    lan: LanSignalling | undefined,
    known: KnownPeers | undefined,
  ) {
    this.#lan = lan;
    this.known = known;
    this.#client = client;
    this.#identity = identity;
    this.#node = node;
  }

  /**
   * Makes this session a peer that others can reach by its id. The client may be connected already or later; whenever it
   * connects, the peer announces itself. Rejects with what the runtime says when no socket can be bound.
   */
  static async open(client: SkeinClient, options: SkeinPeerOptions = {}): Promise<SkeinPeer> {
    const { identity = (await PeerIdentity.generate()).identity, local = false, known, ...rest } = options;
    let take: (from: PeerId, signal: Signal) => void = () => {};
    const signalling: Signalling = {
      send: (to, signal) => peer.#send(to, signal),
      onSignal: (listener) => void (take = listener),
      servers: () => peer.#servers(),
    };
    const lan = local || known !== undefined
      ? await LanSignalling.open({ self: identity.id, known, multicast: local })
      : undefined;
    const opening = PeerNode.open({
      ...rest,
      identity,
      signalling: lan === undefined ? signalling : firstOf(signalling, lan),
      signalPort: lan?.port,
      onMet: (id, addresses) => known?.met(id, addresses),
    });
    const node = await opening.catch(async (error) => {
      await lan?.close();
      throw error;
    });
    const peer: SkeinPeer = new SkeinPeer(client, identity, node, lan, known);
    peer.#listen((from, signal) => take(from, signal));
    return peer;
  }

  /** The id by which others reach this peer. */
  get id(): PeerId {
    return this.#node.id;
  }

  /** The connections there are. */
  get connections(): ReadonlyMap<PeerId, PeerConnection> {
    return this.#node.connections;
  }

  /** Resolves when the service knows where this peer is. Rejects with SkeinError. */
  async announced(): Promise<void> {
    if (this.#announced === undefined) await this.#client.connect();
    await this.#announced;
  }

  /**
   * Connects to a peer, or returns the connection there is; `ready()` of it waits. Throws TypeError when `peer` is no
   * peer's id.
   */
  connect(peer: PeerId, options: PeerConnectOptions = {}): PeerConnection {
    const known = this.#node.connections.get(peer);
    if (known !== undefined) return known;
    const connection = this.#node.connect(peer, options);
    this.#report(connection);
    return connection;
  }

  /** Calls `listener` with each connection from now on, whichever side has called. Returns a function that stops it. */
  onConnection(listener: (connection: PeerConnection) => void): () => void {
    return this.#node.onConnection(listener);
  }

  /** What is known of the NAT in front of this machine. */
  discoverNat(): ReturnType<PeerNode["discoverNat"]> {
    return this.#node.discoverNat();
  }

  /** The STUN and TURN servers that the service names, with credentials for them. Rejects with PeerError. */
  servers(): Promise<MeetingServers> {
    return this.#servers();
  }

  /** Ends every connection. The client goes on. */
  async close(): Promise<void> {
    for (const stop of this.#stop.splice(0)) stop();
    await this.#node.close();
    await this.#lan?.close();
    await this.known?.saved();
  }

  /**
   * Calls `listener` when the service has been away for some seconds, again each time it is; soon, when it is away now.
   * Returns a function that stops it.
   */
  onServiceAway(listener: () => void): () => void {
    let cancel = (): void => {};
    const { manager } = this.#client;
    const watch = (): void => {
      cancel();
      cancel = systemClock.after(AWAY_AFTER, () => manager.isConnected() || listener());
    };
    const stop = this.#client.on("disconnected", watch);
    if (!manager.isConnected()) watch();
    return () => {
      stop();
      cancel();
    };
  }

  /** Peers that have been heard of on the local network; empty without the option `local`. */
  localPeers(): PeerId[] {
    return this.#lan?.peers() ?? [];
  }

  #listen(take: (from: PeerId, signal: Signal) => void): void {
    const announce = (sessionId: string): void => {
      this.#announced = this.#announce(sessionId);
      // Whoever waits for it is told; without anybody it is tried again with the next connection.
      this.#announced.catch(() => {});
    };
    this.#stop.push(
      this.#client.on("connected", ({ sessionId }) => announce(sessionId)),
      this.#client.on("message", ({ type, payload }) => {
        const kind = KINDS.get(type);
        const { from, userId: _, candidates, ...rest } = payload as Record<string, unknown>;
        if (kind === undefined || typeof from !== "string" || !isPeerId(from)) return;
        const addresses = Array.isArray(candidates) ? { candidates: candidates.map(toCandidate) } : {};
        take(from, { type: kind, ...rest, ...addresses } as Signal);
      }),
    );
    const { manager } = this.#client;
    if (manager.isConnected() && manager.sessionId !== undefined) announce(manager.sessionId);
  }

  async #announce(sessionId: string): Promise<void> {
    const signature = await this.#identity.announce(sessionId);
    await this.#client.manager.send("peer_announce", { peer: this.id, signature });
  }

  async #send(to: PeerId, signal: Signal): Promise<void> {
    const { type, ...rest } = signal;
    const candidates = "candidates" in signal ? { candidates: signal.candidates.map(fromCandidate) } : {};
    // The local network need not wait until the service is back.
    if (this.#lan !== undefined && !this.#client.manager.isConnected()) {
      throw new PeerError("peer_unreachable");
    }
    try {
      await this.announced();
      await this.#client.manager.send(TYPES[type], { ...rest, ...candidates, to });
    } catch (cause) {
      throw peerError(cause);
    }
  }

  async #servers(): Promise<MeetingServers> {
    if (this.#lan !== undefined && !this.#client.manager.isConnected()) {
      throw new PeerError("peer_unreachable");
    }
    try {
      return await this.#client.manager.send("peer_relay_credentials", {});
    } catch (cause) {
      throw peerError(cause);
    }
  }

  /** Tells the service how attempts end, for its metrics. */
  #report(connection: PeerConnection): void {
    let since = performance.now();
    connection.on({
      state: (state) => {
        if (state === "connecting" || state === "reconnecting") since = performance.now();
        const outcome = OUTCOMES[state];
        if (outcome === undefined) return;
        const path = connection.path?.kind ?? "none";
        const duration = Math.min(performance.now() - since, 600_000);
        this.#client.manager.send("peer_report" satisfies UnansweredType, { outcome, path, duration }).catch(
          () => {},
        );
      },
    });
  }
}

function toCandidate({ kind, hostname, port }: PeerCandidate): Candidate {
  return { kind, address: { hostname, port } };
}

function fromCandidate({ kind, address }: Candidate): PeerCandidate {
  return { kind, ...address };
}

function peerError(cause: unknown): PeerError {
  const refused = cause instanceof SkeinError && cause.error === "permission_denied";
  return new PeerError(refused ? "not_allowed" : "peer_unreachable", (cause as Error).message, { cause });
}

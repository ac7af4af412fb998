/**
 * Peers over a session: connections straight to another program, found through the service. For Deno, with
 * `"unstable": ["net"]`: a browser has no sockets.
 *
 * @module
 */

import { systemClock } from "../async/clock.ts";
import {
  firstOf,
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
  type Signalling,
} from "../peer/mod.ts";
import { isAddress } from "../peer/browser.ts";
import type { SkeinClient } from "./client.ts";
import { SessionSignalling } from "./peers/session_signalling.ts";

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
  extends Pick<PeerNodeOptions, "accept" | "fastLane" | "patience" | "onIncoming" | "onError" | "caCerts"> {
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

/** A peer on the session of a client. */
export class SkeinPeer {
  readonly #client: SkeinClient;
  readonly #session: SessionSignalling;
  readonly #node: PeerNode;
  readonly #lan: LanSignalling | undefined;
  /** The peers that were met; undefined: none are remembered. */
  readonly known: KnownPeers | undefined;

  private constructor(
    client: SkeinClient,
    session: SessionSignalling,
    node: PeerNode,
    lan: LanSignalling | undefined,
    known: KnownPeers | undefined,
  ) {
    this.#lan = lan;
    this.known = known;
    this.#client = client;
    this.#session = session;
    this.#node = node;
  }

  /**
   * Makes this session a peer that others can reach by its id. The client may be connected already or later; whenever it
   * connects, the peer announces itself. Rejects with what the runtime says when no socket can be bound, RangeError for a
   * bad `patience`.
   */
  static async open(client: SkeinClient, options: SkeinPeerOptions = {}): Promise<SkeinPeer> {
    const { identity = (await PeerIdentity.generate()).identity, local = false, known, ...rest } = options;
    const session = new SessionSignalling(client, identity);
    const lan = local || known !== undefined
      ? await LanSignalling.open({ self: identity.id, known, multicast: local })
      : undefined;
    const opening = PeerNode.open({
      ...rest,
      identity,
      signalling: quicAlone(lan === undefined ? session : firstOf(atOnce(session), lan)),
      signalPort: lan?.port,
      onMet: (id, addresses) => known?.met(id, addresses),
    });
    const node = await opening.catch(async (error) => {
      session.close();
      await lan?.close();
      throw error;
    });
    return new SkeinPeer(client, session, node, lan, known);
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
  announced(): Promise<void> {
    return this.#session.announced();
  }

  /**
   * Connects to a peer, or returns the connection there is; `ready()` of it waits. Throws TypeError when `peer` is no
   * peer's id.
   */
  connect(peer: PeerId, options: PeerConnectOptions = {}): PeerConnection {
    const known = this.#node.connections.get(peer);
    if (known !== undefined) return known;
    const connection = this.#node.connect(peer, options);
    this.#session.report(connection);
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
    return this.#session.servers();
  }

  /** Ends every connection. The client goes on. */
  async close(): Promise<void> {
    this.#session.close();
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
}

/** The local network need not wait until the service is back. */
function atOnce(session: SessionSignalling): Signalling {
  const check = (): void => {
    if (!session.isConnected) throw new PeerError("peer_unreachable", "the service is away");
  };
  return {
    async send(to, signal): Promise<void> {
      check();
      await session.send(to, signal);
    },
    onSignal: (listener) => session.onSignal(listener),
    async servers(): Promise<MeetingServers> {
      check();
      return await session.servers();
    },
  };
}

/** Refuses what only browsers can take, and leaves out addresses that would have to be resolved: nobody checked them. */
function quicAlone(signalling: Signalling): Signalling {
  return {
    send: (to, signal) => signalling.send(to, signal),
    servers: () => signalling.servers(),
    onSignal: (listener) =>
      signalling.onSignal((from, signal) => {
        if (signal.type === "offer" && signal.lane === "webrtc") {
          const { connection } = signal;
          const refusal = { type: "close", connection, reason: "speaks QUIC alone" } as const;
          return void signalling.send(from, refusal).catch(() => {});
        }
        if (!("candidates" in signal)) return listener(from, signal);
        const candidates = signal.candidates.filter(({ address }) => isAddress(address.hostname));
        listener(from, { ...signal, candidates });
      }),
  };
}

/**
 * Peers in browsers: connections straight from page to page over WebRTC data channels, found through the service, with
 * the contract of `SkeinPeer`, so that `PeerDocuments` carries documents over them.
 *
 * ```ts
 * const peer = await BrowserPeer.open(client, { identity: await storedIdentity() });
 * const provider = new SkeinYjsProvider(openDocument(client, "doc:plan"), doc);
 * const documents = new PeerDocuments(peer);
 * documents.share("doc:plan", doc, { awareness: provider.awareness });
 * ```
 *
 * @module
 */

import { systemClock } from "../async/clock.ts";
import { deadline } from "../async/deadline.ts";
import {
  checkIntroduction,
  checkPatience,
  isPeerId,
  type MeetingServers,
  type OfferSignal,
  PeerConnection,
  PeerError,
  type PeerId,
  PeerIdentity,
  type Signal,
} from "../peer/browser.ts";
import type { WebRtcConnection } from "../quic/webrtc_connection.ts";
import type { SkeinClient } from "./client.ts";
import type { BrowserMeeting } from "./peers/browser_meeting.ts";
import { BrowserMeetings } from "./peers/browser_meetings.ts";
import { ANSWER_TIMEOUT, answerRestart, introduce, restartIce, type Speaker } from "./peers/ice_restart.ts";
import { watchPath, watchSurroundings } from "./peers/path_watch.ts";
import { SessionSignalling } from "./peers/session_signalling.ts";

export { PeerConnection, PeerError, type PeerErrorCode, type PeerId, PeerIdentity } from "../peer/browser.ts";
export { storedIdentity } from "./peers/stored_identity.ts";

/** Options of a peer in a browser. */
export interface BrowserPeerOptions {
  /** The key of this device. @default a new one */
  readonly identity?: PeerIdentity;
  /** Whether a peer that calls is let in. @default all that the service lets through */
  readonly accept?: (peer: PeerId) => boolean | Promise<boolean>;
  /**
   * Milliseconds without a connection after which a peer that this page calls is given up: `ready()` rejects with PeerError
   * `gave_up`. Infinity: it is called until `close()`. @default 3600000, an hour
   */
  readonly patience?: number;
  /** Shows the others no address of this machine, as everything goes by a TURN server. @default false */
  readonly relayOnly?: boolean;
  /** A peer has called, and has proved who it is. */
  readonly onIncoming?: (connection: PeerConnection) => void;
  /** Told of what went wrong with one peer; nothing of it has to be handled. */
  readonly onError?: (error: PeerError, context: { readonly peer: PeerId }) => void;
}

/** Milliseconds for the last message of a connection. */
const LINGER = 200;
/** Signals of one peer that wait for those before. */
const MAX_WAITING = 64;
/** Longest text of a refusal. */
const MAX_REASON = 200;
/** To a peer that looks for another path of a connection that is over here: it has to call anew. */
const UNKNOWN = "the connection is not known here";

/** A peer on the session of a client in a browser. */
export class BrowserPeer {
  /** Its field in the awareness of documents: pages connect to pages, programs to programs. */
  readonly awarenessField = "browserPeer";
  readonly #identity: PeerIdentity;
  readonly #session: SessionSignalling;
  readonly #speaker: Speaker;
  readonly #options: BrowserPeerOptions;
  readonly #connections = new Map<PeerId, PeerConnection>();
  readonly #meetings = new BrowserMeetings();
  readonly #listeners = new Set<(connection: PeerConnection) => void>();
  readonly #queues = new Map<PeerId, { last: Promise<void>; waiting: number }>();
  readonly #stop: () => void;
  #closed = false;

  private constructor(client: SkeinClient, identity: PeerIdentity, options: BrowserPeerOptions) {
    const session = new SessionSignalling(client, identity);
    this.#session = session;
    this.#identity = identity;
    this.#speaker = { session, identity };
    this.#options = options;
    session.onSignal((from, signal) => this.#heard(from, signal));
    this.#stop = watchSurroundings(client, () => this.#meetings);
  }

  /** Makes this session a peer. Rejects where the browser has no Ed25519, with RangeError for a bad `patience`. */
  static async open(client: SkeinClient, options: BrowserPeerOptions = {}): Promise<BrowserPeer> {
    checkPatience(options.patience);
    const identity = options.identity ?? (await PeerIdentity.generate()).identity;
    return new BrowserPeer(client, identity, options);
  }

  /** The id by which others reach this peer. */
  get id(): PeerId {
    return this.#identity.id;
  }

  /** The connections there are. */
  get connections(): ReadonlyMap<PeerId, PeerConnection> {
    return this.#connections;
  }

  /** Resolves when the service knows where this peer is. Rejects with SkeinError. */
  announced(): Promise<void> {
    return this.#session.announced();
  }

  /**
   * Connects to a peer in another browser, or returns the connection there is; `ready()` of it waits. Throws TypeError when
   * `peer` is no other peer's id.
   */
  connect(peer: PeerId): PeerConnection {
    if (!isPeerId(peer) || peer === this.id) throw new TypeError(`not the id of another peer: ${peer}`);
    if (this.#closed) throw new PeerError("closed");
    const known = this.#connections.get(peer);
    if (known !== undefined) return known;
    const connection = this.#connection(peer, true);
    this.#session.report(connection);
    // Of two connections one would end with what was said on it.
    connection.start(this.#meetings.isAnswering(peer));
    return connection;
  }

  /** Calls `listener` with each connection from now on, whichever side has called. Returns a function that stops it. */
  onConnection(listener: (connection: PeerConnection) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends every connection. The client goes on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop();
    this.#session.close();
    await Promise.all([...this.#connections.values()].map((connection) => connection.close()));
    for (const meeting of this.#meetings) this.#meetings.end(meeting);
  }

  #connection(peer: PeerId, calls: boolean): PeerConnection {
    const connection: PeerConnection = new PeerConnection({
      peer,
      clock: systemClock,
      random: Math.random,
      patience: this.#options.patience,
      attempt: calls ? (signal) => this.#call(peer, signal) : undefined,
      onClosing: () => {
        if (this.#connections.get(peer) === connection) this.#connections.delete(peer);
      },
      onClosed: () => {
        for (const meeting of this.#meetings.with(peer)) this.#meetings.end(meeting);
      },
    });
    this.#connections.set(peer, connection);
    for (const listener of [...this.#listeners]) listener(connection);
    return connection;
  }

  async #call(peer: PeerId, signal: AbortSignal): Promise<WebRtcConnection | undefined> {
    const meeting = this.#meet(peer, await this.#session.servers());
    const stopped = (): void => this.#meetings.end(meeting, signal.reason);
    signal.addEventListener("abort", stopped);
    try {
      const offer = await introduce(this.#speaker, meeting, await meeting.offer(), {
        challenge: meeting.challenge,
      });
      const expected = meeting.expectAnswer(offer);
      await this.#session.send(peer, { type: "offer", ...offer });
      meeting.introduced();
      const late = (): PeerError => new PeerError("peer_unreachable", "the peer does not answer");
      const answer = await deadline(expected, ANSWER_TIMEOUT, late);
      await checkIntroduction(peer, this.id, answer, offer.challenge);
      await meeting.answered(answer);
      return await this.#connected(meeting);
    } catch (error) {
      if (meeting.superseded) return undefined;
      this.#meetings.end(meeting);
      throw error;
    } finally {
      signal.removeEventListener("abort", stopped);
    }
  }

  /** Signals of one peer are handled in order: an address must not overtake its offer. */
  #heard(from: PeerId, signal: Signal): void {
    const queue = this.#queues.get(from) ?? { last: Promise.resolve(), waiting: 0 };
    if (queue.waiting >= MAX_WAITING || this.#closed) return;
    this.#queues.set(from, queue);
    queue.waiting++;
    queue.last = queue.last.then(() => this.#take(from, signal)).catch((error) => this.#failed(from, error))
      .then(() => {
        if (--queue.waiting === 0) this.#queues.delete(from);
      });
  }

  async #take(from: PeerId, signal: Signal): Promise<void> {
    if (signal.type === "offer") return await this.#offered(from, signal);
    const meeting = this.#meetings.get(signal.connection, from);
    const isAsking = signal.type === "candidate" && signal.replace === true;
    if (meeting === undefined) {
      if (isAsking) await this.#refuse(from, signal.connection, UNKNOWN);
      return;
    }
    if (signal.type === "answer") meeting.take(signal);
    else if (signal.type === "candidate") {
      if (isAsking && meeting.isCaller) meeting.restarts?.asked();
      await meeting.addCandidates(signal.candidates);
    } // Nothing proves that it is the peer's. One that is there says it on the connection itself.
    else if (meeting.restarts?.isBroken !== false) {
      this.#meetings.end(meeting, new PeerError("peer_unreachable", `the peer refuses: ${signal.reason}`));
    }
  }

  /** A page that was loaded again has not had what was said to the one before. */
  async #sayAgain(peer: PeerId): Promise<void> {
    for (const { unanswered } of this.#meetings.with(peer)) {
      if (unanswered !== undefined) await this.#session.send(peer, { type: "offer", ...unanswered });
    }
  }

  async #refuse(peer: PeerId, connection: string, reason: string): Promise<void> {
    await this.#session.send(peer, { type: "close", connection, reason });
  }

  async #offered(from: PeerId, offer: OfferSignal): Promise<void> {
    const { connection } = offer;
    const refuse = (reason: string): Promise<void> => this.#refuse(from, connection, reason);
    if (offer.lane !== "webrtc") return await refuse("speaks WebRTC alone");
    if (offer.answers !== undefined) {
      const meeting = this.#meetings.get(connection, from);
      // The page was loaded again since: the peer has to call anew.
      if (meeting === undefined) return await refuse(UNKNOWN);
      return await answerRestart(this.#speaker, meeting, offer);
    }
    await checkIntroduction(from, this.id, offer);
    if (this.#meetings.has(connection)) return;
    if (!(await this.#options.accept?.(from) ?? true)) return await refuse("not accepted");
    const servers = await this.#session.servers();
    // Nothing is waited for from here until the meeting has begun: this side may call at any time.
    if (this.#meetings.has(connection)) return;
    const known = this.#connections.get(from);
    // Both call at once: the call of the greater id counts.
    if (known?.isCalling && this.id > from) return await this.#sayAgain(from);
    known?.expectCall();
    for (const before of this.#meetings.with(from)) {
      before.superseded = true;
      if (known?.current === undefined) this.#meetings.end(before);
    }
    const meeting = this.#meet(from, servers, connection);
    try {
      const { challenge } = meeting, answers = offer.challenge;
      const answer = await introduce(this.#speaker, meeting, await meeting.answerTo(offer), {
        challenge,
        answers,
      });
      await this.#session.send(from, { type: "answer", ...answer, answers });
    } catch (error) {
      this.#meetings.end(meeting);
      throw error;
    }
    meeting.introduced();
    await meeting.addCandidates(offer.candidates);
    // Its addresses come through the same queue of signals: the path is waited for beside it.
    this.#connected(meeting).then((transport) => this.#called(from, transport), (error) => {
      this.#meetings.end(meeting);
      // Both have called, and the other call has led to a connection: nothing is wrong.
      if (this.#connections.get(from)?.current === undefined) this.#failed(from, error);
    });
  }

  #called(from: PeerId, transport: WebRtcConnection): void {
    const known = this.#connections.get(from);
    const connection = known ?? this.#connection(from, false);
    connection.adopt(transport);
    if (known === undefined) this.#options.onIncoming?.(connection);
  }

  #meet(peer: PeerId, servers: MeetingServers, connection?: string): BrowserMeeting {
    if (this.#closed) throw new PeerError("closed");
    const meeting: BrowserMeeting = this.#meetings.begin({
      peer,
      connection,
      isAnswer: connection !== undefined,
      servers,
      relayOnly: this.#options.relayOnly,
      tell: (candidate) => {
        const { connection } = meeting;
        const signal = { type: "candidate", connection, candidates: [candidate] } as const;
        this.#session.send(peer, signal).catch((error) => {
          // One address more is nothing to a connection that has a path.
          if (meeting.restarts?.isBroken !== false) this.#failed(peer, error);
        });
      },
    });
    return meeting;
  }

  /** The connection of a meeting, which lasts as long as it. */
  async #connected(meeting: BrowserMeeting): Promise<WebRtcConnection> {
    const transport = await meeting.connected();
    const current = (): PeerConnection | undefined => {
      const connection = this.#connections.get(meeting.peer);
      return connection?.current === transport ? connection : undefined;
    };
    watchPath(meeting, transport, {
      clock: systemClock,
      random: Math.random,
      canSignal: () => this.#session.isConnected,
      restart: () => restartIce(this.#speaker, meeting),
      current,
      onGivenUp: (error) => {
        if (current() !== undefined) this.#failed(meeting.peer, error);
        this.#meetings.end(meeting, error);
        // It may still take the connection for alive. Without the service it finds out by itself.
        this.#refuse(meeting.peer, meeting.connection, error.message.slice(0, MAX_REASON)).catch(() => {});
      },
    });
    void transport.closed.then(() => {
      const connection = this.#connections.get(meeting.peer);
      if (connection?.current === undefined || connection.current === transport) connection?.moved(undefined);
      // What says why it ends is still to leave.
      systemClock.after(LINGER, () => this.#meetings.end(meeting));
    });
    return transport;
  }

  #failed(peer: PeerId, error: unknown): void {
    const known = error instanceof PeerError
      ? error
      : new PeerError("peer_unreachable", (error as Error).message, { cause: error });
    if (known.code !== "closed") this.#options.onError?.(known, { peer });
  }
}

/**
 * A peer: finds other peers through signalling, and makes QUIC connections to them over the best path there is.
 *
 * @module
 */

import { type Clock, systemClock } from "../async/clock.ts";
import { deferred } from "../async/deferred.ts";
import { deadline, delay, untilAborted } from "../async/deadline.ts";
import { Underway } from "../async/underway.ts";
import type { Connection } from "../quic/mod.ts";
import type { Discovery } from "./discovery.ts";
import { PeerError } from "./errors.ts";
import type { FastLane } from "./fast_lane.ts";
import { checkIntroduction, isPeerId, type PeerId } from "./identity.ts";
import type { PeerConnectOptions, PeerNodeOptions } from "./node_options.ts";
import { Lanes } from "./lanes.ts";
import { LocalAddresses } from "./local_addresses.ts";
import type { Meeting } from "./meeting.ts";
import { Meetings } from "./meetings.ts";
import { Multiplexer } from "./multiplexer.ts";
import { type Attempt, checkPatience, LINGER, PeerConnection } from "./peer_connection.ts";
import type { AnswerSignal, Candidate, OfferSignal, Signal } from "./ports.ts";
import { openSockets } from "./udp_socket.ts";

/** The peer's answer has to come within this many ms. */
const ANSWER_TIMEOUT = 10_000;
/** Receive buffers of the shared sockets. */
const BUFFERS = 128;

/** A peer. */
export class PeerNode {
  readonly id: PeerId;
  readonly #options: PeerNodeOptions;
  readonly #clock: Clock;
  readonly #mux: Multiplexer;
  readonly #lanes: Lanes;
  readonly #addresses: LocalAddresses;
  readonly #connections = new Map<PeerId, PeerConnection>();
  readonly #meetings = new Meetings((to, signal) => this.#send(to, signal));
  readonly #listeners = new Set<(connection: PeerConnection) => void>();
  /** Last packets that have to leave. */
  readonly #ending = new Underway();
  /** Calls that are made and answered. */
  readonly #working = new Underway();
  readonly #stop = new AbortController();
  readonly #over = this.#stop.signal;
  #closing: Promise<void> | undefined;

  private constructor(options: PeerNodeOptions, mux: Multiplexer, lanes: Lanes) {
    this.id = options.identity.id;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#mux = mux;
    this.#lanes = lanes;
    this.#addresses = new LocalAddresses({
      mux,
      clock: this.#clock,
      servers: () => options.signalling.servers(),
      interfaces: options.interfaces,
      caCerts: options.caCerts,
      onRelay: (candidate) => [...this.#meetings].forEach((meeting) => meeting.tell([candidate])),
      onRelayClosed: () => {
        if (this.#meetings.size > 0) this.#addresses.openRelay();
      },
      onChange: () => this.networkChanged(),
      onError: (error, stage) => this.#failed(error, stage),
    });
    options.signalling.onSignal((from, signal) => {
      void this.#working.add(
        this.#take(from, signal).catch((error) => this.#failed(error, "signal", from)),
      );
    });
  }

  /** Binds the sockets of a peer. Rejects with what Deno throws when that fails, RangeError for a bad `patience`. */
  static async open(options: PeerNodeOptions): Promise<PeerNode> {
    checkPatience(options.patience);
    const sockets = openSockets(BUFFERS, options.openSocket);
    const mux = new Multiplexer({ sockets, clock: options.clock ?? systemClock });
    try {
      return new PeerNode(options, mux, await Lanes.open(options));
    } catch (error) {
      await mux.close();
      throw error;
    }
  }

  /**
   * Connects to a peer, or returns the connection there is. It is made in the background: `ready()` waits for it.
   * Throws TypeError when `peer` is no peer's id.
   */
  connect(peer: PeerId, { fastLane = false }: PeerConnectOptions = {}): PeerConnection {
    if (!isPeerId(peer) || peer === this.id) throw new TypeError(`not the id of another peer: ${peer}`);
    if (this.#over.aborted) throw new PeerError("closed");
    const known = this.#connections.get(peer);
    if (known !== undefined) return known;
    // What was lost on a path that cannot change has to be able to move.
    const connection = this.#connection(
      peer,
      (signal, isFirst) => this.#working.add(this.#call(peer, signal, fastLane && isFirst)),
    );
    // Of two connections one would end with what was said on it.
    connection.start(this.#meetings.isAnswering(peer));
    return connection;
  }

  /** Calls `listener` with each connection from now on, whichever side has called. Returns a function that stops it. */
  onConnection(listener: (connection: PeerConnection) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The connections there are. */
  get connections(): ReadonlyMap<PeerId, PeerConnection> {
    return this.#connections;
  }

  /** What is known of the NAT in front of this machine; asks once, and again after the network has changed. */
  discoverNat(): Promise<Discovery | undefined> {
    return this.#addresses.discoverNat();
  }

  /** Ends everything. Resolves when nothing of it is under way any more. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#stop.abort(new PeerError("closed"));
    for (const connection of [...this.#connections.values()]) void connection.close();
    await this.#ending.over();
    await this.#addresses.close();
    await this.#lanes.close();
    await this.#meetings.close();
    await Promise.all([this.#working.over(), this.#ending.over()]);
    await this.#mux.close();
  }

  #connection(peer: PeerId, attempt?: Attempt): PeerConnection {
    const release = this.#addresses.useRelay();
    const last = deferred<void>();
    const connection: PeerConnection = new PeerConnection({
      peer,
      clock: this.#clock,
      random: this.#options.random ?? Math.random,
      attempt,
      patience: this.#options.patience,
      onClosing: () => {
        release();
        void this.#ending.add(last.promise);
        if (this.#connections.get(peer) === connection) this.#connections.delete(peer);
      },
      onClosed: (reason) => {
        last.resolve();
        for (const meeting of this.#meetings.with(peer)) this.#end(meeting, reason);
      },
    });
    this.#connections.set(peer, connection);
    for (const listener of [...this.#listeners]) listener(connection);
    return connection;
  }

  // The side that calls.

  async #call(peer: PeerId, signal: AbortSignal, fastLane: boolean): Promise<Connection | undefined> {
    if (fastLane) {
      try {
        return await this.#callOn(peer, signal, this.#lanes.fast());
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof PeerError && error.recovery === "end") throw error;
      }
    }
    return await this.#callOn(peer, signal);
  }

  async #callOn(peer: PeerId, signal: AbortSignal, fast?: FastLane): Promise<Connection | undefined> {
    const meeting = this.#meet(peer, { fast });
    const stopped = (): void => void meeting.close();
    signal.addEventListener("abort", stopped, { once: true });
    try {
      const { hash } = await this.#lanes.certificate();
      const candidates = await this.#gather(meeting);
      const introduction = meeting.introduction(hash, candidates, this.#addresses.nat);
      const offer = await this.#options.identity.introduce(peer, introduction);
      signal.throwIfAborted();
      await untilAborted(this.#options.signalling.send(peer, { type: "offer", ...offer }), signal);
      meeting.introduced(candidates);
      const late = (): PeerError => new PeerError("peer_unreachable", "the peer does not answer");
      const answer = await deadline(meeting.answer.promise, ANSWER_TIMEOUT, late, { timers: this.#clock });
      await checkIntroduction(peer, this.id, answer, offer.challenge);
      meeting.begin(answer, this.#addresses.nat);
      const quic = await this.#lanes.dial(meeting, answer, signal);
      this.#lasts(meeting, quic);
      this.#tellPath(meeting);
      return quic;
    } catch (error) {
      if (meeting.superseded) return undefined;
      this.#end(meeting, "failed");
      throw error;
    } finally {
      signal.removeEventListener("abort", stopped);
    }
  }

  #meet(peer: PeerId, { connection, fast }: { connection?: string; fast?: FastLane | undefined }): Meeting {
    const meeting = this.#meetings.begin({
      peer,
      connection,
      fast,
      mux: fast?.mux ?? this.#mux,
      clock: this.#clock,
      signalPort: this.#options.signalPort,
      // A fast lane tells its path once it has a connection.
      onPath: (path) => fast === undefined && this.#connections.get(peer)?.moved(path),
      onStale: () => fast === undefined && void this.#addresses.verifyRelay(),
    });
    void this.#addresses.discoverNat();
    if (fast === undefined) this.#addresses.openRelay();
    return meeting;
  }

  /** The meeting is there as long as its QUIC connection. */
  #lasts(meeting: Meeting, quic: Connection): void {
    meeting.quic = quic;
    this.#options.onMet?.(meeting.peer, meeting.signalAddresses());
    quic.closed.then(() => {
      const connection = this.#connections.get(meeting.peer);
      if (meeting.fast !== undefined && connection?.current === undefined) connection?.moved(undefined);
      void this.#ending.add(delay(LINGER, { timers: this.#clock }).then(() => this.#end(meeting)));
    });
  }

  /** The path that the connection begins with; the multiplexer's paths are told whenever they change, too. */
  #tellPath({ peer, link, fast }: Meeting): void {
    const { path } = link;
    if (path === undefined) return;
    const { kind, remote, rtt } = path;
    this.#connections.get(peer)?.moved({ kind, remote, rtt, fastLane: fast !== undefined });
  }

  #end(meeting: Meeting, reason?: string): void {
    this.#meetings.end(meeting, this.#over.aborted ? undefined : reason);
  }

  // What comes from peers.

  async #take(from: PeerId, signal: Signal): Promise<void> {
    if (this.#over.aborted) return;
    if (signal.type === "offer") await this.#offered(from, signal);
    else this.#meetings.take(from, signal);
  }

  async #offered(from: PeerId, offer: OfferSignal): Promise<void> {
    await checkIntroduction(from, this.id, offer);
    if (this.#over.aborted || this.#meetings.has(offer.connection)) return;
    const accepted = await untilAborted(Promise.resolve(this.#options.accept?.(from) ?? true), this.#over);
    if (!accepted) {
      const refusal = { type: "close", connection: offer.connection, reason: "not accepted" } as const;
      return await untilAborted(this.#options.signalling.send(from, refusal), this.#over);
    }
    // Nothing is waited for from here until the meeting has begun: this side may call at any time.
    if (this.#meetings.has(offer.connection)) return;
    const known = this.#connections.get(from);
    // Both call at once: the call of the greater id counts.
    if (known?.isCalling && this.id > from) return;
    known?.expectCall();
    if (known?.current === undefined) this.#meetings.supersede(from);
    const fast = offer.lane === "fast" && (this.#options.fastLane ?? true) ? this.#lanes.fast() : undefined;
    const meeting = this.#meet(from, { connection: offer.connection, fast });
    try {
      await this.#answer(meeting, offer);
    } catch (error) {
      this.#end(meeting, "failed");
      throw error;
    }
  }

  async #answer(meeting: Meeting, offer: OfferSignal): Promise<void> {
    const { peer, challenge } = meeting;
    meeting.begin(offer, this.#addresses.nat);
    const certificate = await this.#lanes.certificate();
    const listening = this.#lanes.listen(meeting, certificate, {
      peer,
      challenge,
      certificate: certificate.hash,
      onConnection: (quic) => this.#called(meeting, quic),
    });
    void this.#working.add(listening.catch((error) => this.#failed(error, "fast lane", peer)));
    const candidates = await this.#gather(meeting);
    const introduction = meeting.introduction(certificate.hash, candidates, this.#addresses.nat);
    const signed = await this.#options.identity.introduce(peer, introduction, offer.challenge);
    const answer: AnswerSignal = { type: "answer", ...signed, answers: offer.challenge };
    this.#over.throwIfAborted();
    await untilAborted(this.#options.signalling.send(peer, answer), this.#over);
    meeting.introduced(candidates);
    meeting.giveUpAfter(ANSWER_TIMEOUT * 2, () => this.#end(meeting));
  }

  #called(meeting: Meeting, quic: Connection): void {
    meeting.established();
    this.#lasts(meeting, quic);
    const known = this.#connections.get(meeting.peer);
    const connection = known ?? this.#connection(meeting.peer);
    // Before the state, so that whoever hears of the connection can say which path it has.
    this.#tellPath(meeting);
    connection.adopt(quic);
    if (known === undefined) this.#options.onIncoming?.(connection);
  }

  // Addresses.

  /** The network has changed: new addresses are found and told, and every path is checked. */
  networkChanged(): void {
    if (this.#over.aborted) return;
    this.#addresses.changed();
    this.#mux.recheck();
    if (this.#meetings.size > 0) this.#addresses.openRelay();
    for (const meeting of this.#meetings) {
      // A fast lane cannot move: another connection takes its place, which can.
      if (meeting.fast !== undefined) {
        void meeting.quic?.close(0, "network changed");
        continue;
      }
      const told = this.#gather(meeting).then((candidates) => meeting.tell(candidates, true));
      void this.#working.add(told.catch((error) => this.#failed(error, "gather", meeting.peer)));
    }
  }

  #gather(meeting: Meeting): Promise<Candidate[]> {
    const mux = meeting.fast?.mux ?? this.#mux;
    return this.#addresses.gather(mux, (found) => meeting.tell([found]));
  }

  /** Sends what may be lost: a path is found without it, or another attempt made. */
  #send(to: PeerId, signal: Signal): void {
    if (this.#over.aborted) return;
    this.#options.signalling.send(to, signal).catch((error) => this.#failed(error, "signal", to));
  }

  #failed(error: unknown, stage: string, peer?: PeerId): void {
    const known = error instanceof PeerError
      ? error
      : new PeerError("peer_unreachable", (error as Error).message, { cause: error });
    if (known.code === "closed" || this.#over.aborted) return;
    this.#options.onError?.(known, { stage, ...peer === undefined ? {} : { peer } });
  }
}

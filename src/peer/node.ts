/**
 * A peer: finds other peers through signalling, and makes QUIC connections to them over the best path there is.
 *
 * @module
 */

import { type Clock, systemClock } from "../async/clock.ts";
import { deferred } from "../async/deferred.ts";
import { deadline, delay } from "../async/deadline.ts";
import type { Connection } from "../quic/mod.ts";
import type { Discovery } from "./discovery.ts";
import { PeerError } from "./errors.ts";
import { checkIntroduction, isPeerId, type PeerId } from "./identity.ts";
import type { PeerNodeOptions } from "./node_options.ts";
import { LocalAddresses } from "./local_addresses.ts";
import { Meeting } from "./meeting.ts";
import { Multiplexer } from "./multiplexer.ts";
import { LINGER, PeerConnection } from "./peer_connection.ts";
import type { AnswerSignal, Candidate, OfferSignal, Signal } from "./ports.ts";
import { PeerEndpoint } from "./quic_endpoint.ts";
import { openUdpSocket, type UdpSocket } from "./udp_socket.ts";

/** The peer's answer has to come within this many ms. */
const ANSWER_TIMEOUT = 10_000;
/** Connections to peers at once. */
const MAX_CONNECTIONS = 1_024;
/** A peer. */
export class PeerNode {
  readonly id: PeerId;
  readonly #options: PeerNodeOptions;
  readonly #clock: Clock;
  readonly #mux: Multiplexer;
  readonly #endpoint: PeerEndpoint;
  readonly #addresses: LocalAddresses;
  readonly #connections = new Map<PeerId, PeerConnection>();
  readonly #meetings = new Map<string, Meeting>();
  readonly #listeners = new Set<(connection: PeerConnection) => void>();
  readonly #ending = new Set<Promise<void>>();
  #closed = false;
  #closing: Promise<void> | undefined;

  private constructor(options: PeerNodeOptions, mux: Multiplexer, endpoint: PeerEndpoint) {
    this.id = options.identity.id;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#mux = mux;
    this.#endpoint = endpoint;
    this.#addresses = new LocalAddresses({
      mux,
      clock: this.#clock,
      servers: () => options.signalling.servers(),
      interfaces: options.interfaces,
      caCerts: options.caCerts,
      onRelay: (candidate) => {
        for (const meeting of this.#meetings.values()) this.#tellCandidate(meeting, candidate);
      },
      onRelayClosed: () => {
        if (this.#meetings.size > 0) this.#addresses.openRelay();
      },
      onChange: () => this.networkChanged(),
      onError: (error, stage) => this.#failed(error, stage),
    });
    options.signalling.onSignal((from, signal) => {
      this.#take(from, signal).catch((error) => this.#failed(error, "signal", from));
    });
  }

  /** Binds the sockets of a peer. Throws what Deno throws when that fails. */
  static async open(options: PeerNodeOptions): Promise<PeerNode> {
    const sockets: UdpSocket[] = [openUdpSocket({ hostname: "0.0.0.0", buffers: 128 })];
    try {
      sockets.push(openUdpSocket({ hostname: "::", buffers: 128 }));
    } catch { /* A machine without IPv6. */ }
    const mux = new Multiplexer({ sockets, clock: options.clock ?? systemClock });
    try {
      return new PeerNode(options, mux, await PeerEndpoint.open(options.identity));
    } catch (error) {
      mux.close();
      throw error;
    }
  }

  /**
   * Connects to a peer, or returns the connection there is. It is made in the background: `ready()` waits for it.
   * Throws TypeError when `peer` is no peer's id.
   */
  connect(peer: PeerId): PeerConnection {
    if (!isPeerId(peer) || peer === this.id) throw new TypeError(`not the id of another peer: ${peer}`);
    if (this.#closed) throw new PeerError("closed");
    const known = this.#connections.get(peer);
    if (known !== undefined) return known;
    const connection = this.#connection(peer, true);
    connection.start();
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

  /** Ends everything. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#closed = true;
    for (const connection of [...this.#connections.values()]) void connection.close();
    await Promise.all(this.#ending);
    this.#addresses.close();
    await this.#endpoint.close();
    await Promise.all([...this.#meetings.values()].map((meeting) => meeting.close()));
    await this.#mux.close();
  }

  #connection(peer: PeerId, calls: boolean): PeerConnection {
    const release = this.#addresses.useRelay();
    const last = deferred<void>();
    const connection: PeerConnection = new PeerConnection({
      peer,
      clock: this.#clock,
      random: this.#options.random ?? Math.random,
      attempt: calls ? (signal) => this.#call(connection, signal) : undefined,
      onClosing: () => {
        release();
        this.#endsWith(last.promise);
        if (this.#connections.get(peer) === connection) this.#connections.delete(peer);
      },
      onClosed: (reason) => {
        last.resolve();
        for (const meeting of [...this.#meetings.values()]) {
          if (meeting.peer === peer) this.#end(meeting, reason);
        }
      },
    });
    this.#connections.set(peer, connection);
    for (const listener of [...this.#listeners]) listener(connection);
    return connection;
  }

  // The side that calls.

  async #call(connection: PeerConnection, signal: AbortSignal): Promise<Connection | undefined> {
    const { peer } = connection;
    const meeting = this.#meet(peer);
    const stopped = (): void => void meeting.close();
    signal.addEventListener("abort", stopped, { once: true });
    try {
      const certificate = await this.#endpoint.certificate();
      const candidates = await this.#gather(meeting);
      const offer = await this.#options.identity.introduce(
        peer,
        meeting.introduction(certificate, candidates, this.#addresses.nat),
      );
      await this.#options.signalling.send(peer, { type: "offer", ...offer });
      this.#tellRelay(meeting, candidates);
      const late = (): PeerError => new PeerError("peer_unreachable", "the peer does not answer");
      const answer = await deadline(meeting.answer.promise, ANSWER_TIMEOUT, late, { timers: this.#clock });
      await checkIntroduction(peer, this.id, answer, offer.challenge);
      meeting.begin(answer, this.#addresses.nat);
      await meeting.path.promise;
      const quic = await this.#endpoint.dial(meeting.link, { peer, ...answer }, signal);
      this.#lasts(meeting, quic);
      return quic;
    } catch (error) {
      if (meeting.superseded) return undefined;
      this.#end(meeting, "failed");
      throw error;
    } finally {
      signal.removeEventListener("abort", stopped);
    }
  }

  #meet(peer: PeerId, id?: string): Meeting {
    if (this.#meetings.size >= MAX_CONNECTIONS) {
      throw new PeerError("peer_unreachable", "too many connections");
    }
    const meeting: Meeting = new Meeting({
      peer,
      ...id === undefined ? {} : { connection: id },
      mux: this.#mux,
      clock: this.#clock,
      onPath: (path) => this.#connections.get(peer)?.moved(path),
      onStale: () => void this.#addresses.verifyRelay(),
    });
    this.#meetings.set(meeting.connection, meeting);
    void this.#addresses.discoverNat();
    this.#addresses.openRelay();
    return meeting;
  }

  /** The end of this peer waits for `promise`: a connection's last packet has to leave. */
  #endsWith(promise: Promise<void>): void {
    this.#ending.add(promise);
    void promise.then(() => this.#ending.delete(promise));
  }

  /** The meeting is there as long as its QUIC connection. */
  #lasts(meeting: Meeting, quic: Connection): void {
    quic.closed.then(() => {
      const over = delay(LINGER, { timers: this.#clock }).then(() => this.#end(meeting));
      this.#endsWith(over);
    });
  }

  /** @param reason Tells the peer, too. */
  #end(meeting: Meeting, reason?: string, error?: PeerError): void {
    if (this.#meetings.get(meeting.connection) !== meeting) return;
    this.#meetings.delete(meeting.connection);
    void meeting.close(error);
    if (reason !== undefined && !this.#closed) {
      this.#send(meeting, { type: "close", connection: meeting.connection, reason });
    }
  }

  // What comes from peers.

  async #take(from: PeerId, signal: Signal): Promise<void> {
    if (this.#closed) return;
    if (signal.type === "offer") return await this.#offered(from, signal);
    const meeting = this.#meetings.get(signal.connection);
    if (meeting === undefined || meeting.peer !== from) return;
    if (signal.type === "answer") meeting.answer.resolve(signal);
    else if (signal.type === "candidate") meeting.agent.addCandidates(signal.candidates, signal.replace);
    else {this.#end(
        meeting,
        undefined,
        new PeerError("peer_unreachable", `the peer refuses: ${signal.reason}`),
      );}
  }

  async #offered(from: PeerId, offer: OfferSignal): Promise<void> {
    await checkIntroduction(from, this.id, offer);
    if (this.#meetings.has(offer.connection)) return;
    const known = this.#connections.get(from);
    // Both call at once: the call of the greater id counts.
    const calling = known !== undefined && known.current === undefined && known.state === "connecting";
    if (calling && this.id > from) return;
    if (!(await this.#options.accept?.(from) ?? true)) {
      return this.#options.signalling.send(from, {
        type: "close",
        connection: offer.connection,
        reason: "not accepted",
      });
    }
    for (const before of [...this.#meetings.values()]) {
      if (before.peer !== from || known?.current !== undefined) continue;
      before.superseded = true;
      this.#end(before);
    }
    const meeting = this.#meet(from, offer.connection);
    try {
      await this.#answer(meeting, offer);
    } catch (error) {
      this.#end(meeting, "failed");
      throw error;
    }
  }

  async #answer(meeting: Meeting, offer: OfferSignal): Promise<void> {
    const { peer, challenge, link } = meeting;
    meeting.begin(offer, this.#addresses.nat);
    const certificate = await this.#endpoint.certificate();
    const stop = this.#endpoint.expect({
      link,
      peer,
      challenge,
      certificate,
      onConnection: (quic) => this.#called(meeting, quic),
    });
    const candidates = await this.#gather(meeting);
    const introduction = meeting.introduction(certificate, candidates, this.#addresses.nat);
    const signed = await this.#options.identity.introduce(peer, introduction, offer.challenge);
    const answer: AnswerSignal = { type: "answer", ...signed, answers: offer.challenge };
    await this.#options.signalling.send(peer, answer);
    this.#tellRelay(meeting, candidates);
    meeting.giveUpAfter(ANSWER_TIMEOUT * 2, () => {
      stop();
      this.#end(meeting);
    });
  }

  #called(meeting: Meeting, quic: Connection): void {
    meeting.established();
    this.#lasts(meeting, quic);
    const known = this.#connections.get(meeting.peer);
    const connection = known ?? this.#connection(meeting.peer, false);
    connection.adopt(quic);
    connection.moved(meeting.link.path);
    if (known === undefined) this.#options.onIncoming?.(connection);
  }

  // Addresses.

  /** A relayed address that came while an offer or answer was being made, or later. */
  #tellRelay(meeting: Meeting, told: readonly Candidate[]): void {
    const { relayed } = this.#addresses;
    if (relayed === undefined || told.some(({ kind }) => kind === "relayed")) return;
    this.#tellCandidate(meeting, relayed);
  }

  #tellCandidate(meeting: Meeting, candidate: Candidate): void {
    this.#send(meeting, { type: "candidate", connection: meeting.connection, candidates: [candidate] });
  }

  /** The network has changed: new addresses are found and told, and every path is checked. */
  networkChanged(): void {
    this.#addresses.changed();
    this.#mux.recheck();
    if (this.#meetings.size > 0) this.#addresses.openRelay();
    for (const meeting of this.#meetings.values()) {
      this.#gather(meeting).then((candidates) =>
        this.#send(meeting, { type: "candidate", connection: meeting.connection, candidates, replace: true })
      ).catch((error) => this.#failed(error, "gather", meeting.peer));
    }
  }

  #gather(meeting: Meeting): Promise<Candidate[]> {
    return this.#addresses.gather((found) => this.#tellCandidate(meeting, found));
  }

  /** Sends what may be lost: a path is found without it, or another attempt made. */
  #send(meeting: Meeting, signal: Signal): void {
    this.#options.signalling.send(meeting.peer, signal).catch((error) =>
      this.#failed(error, "signal", meeting.peer)
    );
  }

  #failed(error: unknown, stage: string, peer?: PeerId): void {
    const known = error instanceof PeerError
      ? error
      : new PeerError("peer_unreachable", (error as Error).message, { cause: error });
    if (known.code === "closed") return;
    this.#options.onError?.(known, { stage, ...peer === undefined ? {} : { peer } });
  }
}

/**
 * Two browsers that look for a path to each other: one side's `RTCPeerConnection` until its channels are open.
 *
 * @module
 */

import { deadline, settles } from "../../async/deadline.ts";
import { type Deferred, quietDeferred } from "../../async/deferred.ts";
import {
  type AnswerSignal,
  type Candidate,
  type Introduction,
  type MeetingServers,
  type PathInfo,
  PeerError,
  type PeerId,
  randomText,
} from "../../peer/browser.ts";
import { fixedChannels, WebRtcConnection } from "../../quic/webrtc_connection.ts";
import {
  type Described,
  readCandidate,
  readDescription,
  writeCandidate,
  writeDescription,
} from "./session_description.ts";
import type { PathRestarts } from "./path_restarts.ts";

/** Milliseconds for the path and the DTLS handshake. */
const CONNECT_TIMEOUT = 15_000;
/** Milliseconds that an answer about another path waits for an address. */
const FINDING = 3_000;
/** Addresses in one introduction. */
const MAX_CANDIDATES = 32;
/** Offers of another path that one connection takes. */
const MAX_RESTARTS = 256;

/** Options of a meeting. */
export interface BrowserMeetingOptions {
  readonly peer: PeerId;
  /** @default a new one */
  readonly connection?: string | undefined;
  /** Whether the peer has called. @default false */
  readonly isAnswer?: boolean;
  readonly servers: MeetingServers;
  /** Uses relayed addresses alone. @default false */
  readonly relayOnly?: boolean | undefined;
  /** Sends an address of this side to the peer. */
  readonly tell: (candidate: Candidate) => void;
}

/** One side of a meeting of browsers. */
export class BrowserMeeting {
  readonly peer: PeerId;
  readonly connection: string;
  readonly challenge: string = randomText(32);
  /** The peer's answer to our last offer. */
  #answer: Deferred<AnswerSignal> = quietDeferred();
  /** The peer has called at the same time, and its call counts. */
  superseded = false;
  /** Finds another path when this one is lost, once there is a connection. */
  restarts: PathRestarts | undefined;
  /** Whether this side has made the offer; then it makes those of other paths, too. */
  isCaller = false;
  readonly #relayOnly: boolean;
  readonly #isAnswer: boolean;
  readonly #transport: RTCPeerConnection;
  /** What the peer has said of itself. */
  #remote: Pick<Introduction, "certificate" | "challenge"> | undefined;
  /** Challenges of the offers that were taken: somebody in between could say one again, which would end the path. */
  readonly #taken = new Set<string>();
  #connection: WebRtcConnection | undefined;
  readonly #opened: Promise<WebRtcConnection>;
  readonly #failed: Deferred<never> = quietDeferred();
  /** Resolves with the first address of this side. */
  #found: Deferred<void> = quietDeferred();
  /** Addresses found before the introduction left: the peer would not know what they are for. */
  #held: Candidate[] | undefined = [];
  /** Those that were told, for the case that the offer is said again. */
  readonly #told: Candidate[] = [];
  #offered: Introduction | undefined;
  /** Addresses of the peer that came before its description. */
  #early: Candidate[] | undefined = [];

  /** Throws PeerError `peer_unreachable` where the page may not use WebRTC. */
  constructor(
    { peer, connection = randomText(16), isAnswer = false, servers, relayOnly = false, tell }:
      BrowserMeetingOptions,
  ) {
    this.peer = peer;
    this.connection = connection;
    this.#relayOnly = relayOnly;
    this.#isAnswer = isAnswer;
    try {
      this.#transport = new RTCPeerConnection(configurationOf(servers, relayOnly));
    } catch (cause) {
      throw new PeerError("peer_unreachable", `no WebRTC here: ${(cause as Error).message}`, { cause });
    }
    this.#transport.onicecandidate = ({ candidate }) => {
      const found = candidate === null ? undefined : readCandidate(candidate.candidate);
      if (candidate === null) this.#found.reject(new PeerError("no_path", "the browser finds no address"));
      if (found === undefined) return;
      this.#found.resolve();
      if (this.#held !== undefined) return void this.#held.push(found);
      this.#told.push(found);
      tell(found);
    };
    this.#opened = this.#open();
    this.#opened.catch(() => {});
    this.#introduced = () => {
      for (const candidate of this.#held ?? []) {
        this.#told.push(candidate);
        tell(candidate);
      }
      this.#held = undefined;
    };
  }

  readonly #introduced: () => void;

  /** Whether it answers a call of the peer, and has not led to a connection yet. */
  get isAnswering(): boolean {
    return this.#isAnswer && this.#connection === undefined;
  }

  /** Resolves with the peer's answer to this offer, which is about to be sent. */
  expectAnswer(offer: Introduction): Promise<AnswerSignal> {
    this.#offered = offer;
    this.#answer = quietDeferred();
    return this.#answer.promise;
  }

  /**
   * The offer that began it, with the addresses told since; undefined: none was made, or it was answered. A peer that has
   * had it takes no notice.
   */
  get unanswered(): Introduction | undefined {
    if (this.#remote !== undefined || this.#offered === undefined) return undefined;
    const candidates = [...this.#offered.candidates, ...this.#told].slice(0, MAX_CANDIDATES);
    return { ...this.#offered, candidates };
  }

  /** The peer has answered an offer. It may be one that was given up since. */
  take(answer: AnswerSignal): void {
    if (answer.answers === this.#offered?.challenge) this.#answer.resolve(answer);
  }

  /** The challenge that the peer has given for this connection. */
  get remoteChallenge(): string | undefined {
    return this.#remote?.challenge;
  }

  /** Describes this side in an offer. */
  async offer(): Promise<Described> {
    this.isCaller = true;
    return await this.#offer({});
  }

  /**
   * Describes this side in an offer of another path; the peer has to take it before it counts. Rejects with `no_path` when
   * no address of this side is found: once the offer is taken, Firefox ends a connection that has no addresses to try. For
   * the same reason offer and answer bring addresses: the service may be gone before others follow.
   */
  async offerAnew(servers: MeetingServers): Promise<Described> {
    this.#begin(servers);
    const described = await this.#offer({ iceRestart: true });
    await this.#found.promise;
    return described;
  }

  /** Takes the peer's offer, which is checked, and describes this side in an answer. */
  async answerTo(offer: Introduction): Promise<Described> {
    this.#remote ??= offer;
    this.#taken.add(offer.challenge);
    await this.#describe("offer", offer);
    await this.#transport.setLocalDescription(await this.#transport.createAnswer());
    return readDescription(this.#transport.localDescription!.sdp);
  }

  /** As `answerTo`, for an offer of another path. Waits a while for an address of this side. */
  async answerAnew(offer: Introduction, servers: MeetingServers): Promise<Described> {
    this.#begin(servers);
    const described = await this.answerTo(offer);
    await this.addCandidates(offer.candidates);
    await settles(this.#found.promise, FINDING);
    return described;
  }

  /** Addresses of this side that were found and not told yet, for an introduction. */
  takeFound(): Candidate[] {
    return this.#held?.splice(0, MAX_CANDIDATES) ?? [];
  }

  /** Whether an offer of another path, which the peer has signed, may be taken. */
  takes({ certificate, challenge }: Introduction): boolean {
    return !this.isCaller && certificate === this.#remote?.certificate && !this.#taken.has(challenge) &&
      this.#taken.size < MAX_RESTARTS;
  }

  /** Takes the peer's answer, which is checked. Rejects when it is not the one that has answered before. */
  async answered(answer: Introduction): Promise<void> {
    this.#remote ??= answer;
    if (answer.certificate !== this.#remote.certificate) throw new PeerError("authentication_failed");
    await this.#describe("answer", answer);
    await this.addCandidates(answer.candidates);
  }

  /** Calls `listener` whenever the browser tells how its ICE is, and now. */
  onIce(listener: (state: RTCIceConnectionState) => void): void {
    this.#transport.oniceconnectionstatechange = () => listener(this.#transport.iceConnectionState);
    listener(this.#transport.iceConnectionState);
  }

  /** The introduction has left: addresses may follow. */
  introduced(): void {
    this.#introduced();
  }

  /** More addresses of the peer. */
  async addCandidates(candidates: readonly Candidate[]): Promise<void> {
    if (this.#early !== undefined) {
      return void this.#early.push(...candidates.slice(0, MAX_CANDIDATES - this.#early.length));
    }
    for (const candidate of candidates) {
      const line = writeCandidate(candidate);
      if (line === undefined) continue;
      // One that the browser does not take is of no use; others are.
      await this.#transport.addIceCandidate({ candidate: line, sdpMid: "0" }).catch(() => {});
    }
  }

  /** Resolves with the connection. Rejects with PeerError `no_path`, or with the error of `close`. */
  async connected(): Promise<WebRtcConnection> {
    const late = (): PeerError => new PeerError("no_path", `no path within ${CONNECT_TIMEOUT} ms`);
    return await deadline(Promise.race([this.#opened, this.#failed.promise]), CONNECT_TIMEOUT, late);
  }

  /** The path that is used now, as the browser tells it. */
  async path(): Promise<PathInfo | undefined> {
    const report = await this.#transport.getStats();
    const all = [...(report as unknown as Map<string, Record<string, unknown>>).values()];
    const pair = all.find((stats) =>
      stats.type === "candidate-pair" && stats.state === "succeeded" &&
      (stats.nominated === true || stats.selected === true)
    );
    const [local, remote] = [pair?.localCandidateId, pair?.remoteCandidateId].map((id) =>
      all.find((stats) => stats.id === id)
    );
    if (local === undefined || remote === undefined) return undefined;
    const types = [local.candidateType, remote.candidateType];
    const kind = types.includes("relay")
      ? "relayed"
      : types.every((type) => type === "host")
      ? "direct"
      : "punched";
    const seconds = pair?.currentRoundTripTime;
    return {
      kind,
      // Browsers hide the addresses of other machines' interfaces.
      remote: { hostname: String(remote.address ?? ""), port: Number(remote.port ?? 0) },
      rtt: typeof seconds === "number" ? seconds * 1_000 : undefined,
    };
  }

  /** Ends it. */
  close(error: PeerError = new PeerError("closed")): void {
    this.restarts?.end();
    this.#answer.reject(error);
    this.#failed.reject(error);
    this.#connection?.giveUp();
    this.#transport.oniceconnectionstatechange = null;
    this.#transport.close();
  }

  async #offer(options: RTCOfferOptions): Promise<Described> {
    await this.#transport.setLocalDescription(await this.#transport.createOffer(options));
    return readDescription(this.#transport.localDescription!.sdp);
  }

  /** Addresses of both sides are found and told anew. Credentials of TURN servers may be over since the last time. */
  #begin(servers: MeetingServers): void {
    this.#held = [];
    this.#found = quietDeferred();
    if (this.isCaller) this.#early = [];
    this.#transport.setConfiguration(configurationOf(servers, this.#relayOnly));
  }

  async #describe(type: "offer" | "answer", described: Described): Promise<void> {
    const sdp = writeDescription(described, type === "offer" ? "actpass" : "active");
    await this.#transport.setRemoteDescription({ type, sdp });
    const early = this.#early ?? [];
    this.#early = undefined;
    await this.addCandidates(early);
  }

  #open(): Promise<WebRtcConnection> {
    const start = performance.now();
    const channels = fixedChannels(this.#transport);
    return new Promise((resolve, reject) => {
      this.#transport.onconnectionstatechange = () => {
        if (this.#transport.connectionState === "failed") {
          reject(new PeerError("no_path", "the browser finds no path"));
        }
      };
      channels.control.onopen = () => {
        this.#connection = new WebRtcConnection(this.#transport, channels, performance.now() - start);
        resolve(this.#connection);
      };
    });
  }
}

function configurationOf({ stun, turn }: MeetingServers, relayOnly: boolean): RTCConfiguration {
  return {
    iceTransportPolicy: relayOnly ? "relay" : "all",
    iceServers: [
      ...stun.map((urls) => ({ urls })),
      ...turn.map(({ url, username, credential }) => ({ urls: url, username, credential })),
    ],
  };
}

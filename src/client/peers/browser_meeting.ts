/**
 * Two browsers that look for a path to each other: one side's `RTCPeerConnection` until its channels are open.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import { type Deferred, quietDeferred } from "../../async/deferred.ts";
import {
  type AnswerSignal,
  type Candidate,
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

/** Milliseconds for the path and the DTLS handshake. */
const CONNECT_TIMEOUT = 15_000;

/** Options of a meeting. */
export interface BrowserMeetingOptions {
  readonly peer: PeerId;
  /** @default a new one */
  readonly connection?: string | undefined;
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
  /** The peer's answer to our offer. */
  readonly answer: Deferred<AnswerSignal> = quietDeferred();
  /** The peer has called at the same time, and its call counts. */
  superseded = false;
  readonly #transport: RTCPeerConnection;
  readonly #opened: Promise<WebRtcConnection>;
  readonly #failed: Deferred<never> = quietDeferred();
  /** Addresses found before the introduction left: the peer would not know what they are for. */
  #held: Candidate[] | undefined = [];
  /** Addresses of the peer that came before its description. */
  #early: Candidate[] | undefined = [];

  /** Throws PeerError `peer_unreachable` where the page may not use WebRTC. */
  constructor(
    { peer, connection = randomText(16), servers, relayOnly = false, tell }: BrowserMeetingOptions,
  ) {
    this.peer = peer;
    this.connection = connection;
    const { stun, turn } = servers;
    try {
      this.#transport = new RTCPeerConnection({
        iceTransportPolicy: relayOnly ? "relay" : "all",
        iceServers: [
          ...stun.map((urls) => ({ urls })),
          ...turn.map(({ url, username, credential }) => ({ urls: url, username, credential })),
        ],
      });
    } catch (cause) {
      throw new PeerError("peer_unreachable", `no WebRTC here: ${(cause as Error).message}`, { cause });
    }
    this.#transport.onicecandidate = ({ candidate }) => {
      const found = candidate === null ? undefined : readCandidate(candidate.candidate);
      if (found === undefined) return;
      if (this.#held === undefined) tell(found);
      else this.#held.push(found);
    };
    this.#opened = this.#open();
    this.#opened.catch(() => {});
    this.#introduced = () => {
      for (const candidate of this.#held ?? []) tell(candidate);
      this.#held = undefined;
    };
  }

  readonly #introduced: () => void;

  /** Describes this side in an offer. */
  async offer(): Promise<Described> {
    await this.#transport.setLocalDescription(await this.#transport.createOffer());
    return readDescription(this.#transport.localDescription!.sdp);
  }

  /** Takes the peer's offer, which is checked, and describes this side in an answer. */
  async answerTo(offer: Described): Promise<Described> {
    await this.#describe("offer", offer);
    await this.#transport.setLocalDescription(await this.#transport.createAnswer());
    return readDescription(this.#transport.localDescription!.sdp);
  }

  /** Takes the peer's answer, which is checked. */
  async answered(answer: Described): Promise<void> {
    await this.#describe("answer", answer);
  }

  /** The introduction has left: addresses may follow. */
  introduced(): void {
    this.#introduced();
  }

  /** More addresses of the peer. */
  async addCandidates(candidates: readonly Candidate[]): Promise<void> {
    if (this.#early !== undefined) {
      return void this.#early.push(...candidates.slice(0, 32 - this.#early.length));
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
    this.answer.reject(error);
    this.#failed.reject(error);
    this.#transport.close();
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
      channels.control.onopen = () =>
        resolve(new WebRtcConnection(this.#transport, channels, performance.now() - start));
    });
  }
}

/**
 * How the QUIC connection of a meeting is made: over the multiplexer, where it can move from path to path, or on the fast
 * lane.
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import { systemClock } from "../async/clock.ts";
import type { Connection } from "../quic/mod.ts";
import { PeerError } from "./errors.ts";
import { FastLane } from "./fast_lane.ts";
import type { Meeting } from "./meeting.ts";
import type { PeerNodeOptions } from "./node_options.ts";
import type { AnswerSignal, Clock } from "./ports.ts";
import type { Expected, PeerCertificate } from "./proof.ts";
import { PeerEndpoint } from "./quic_endpoint.ts";
import { openSockets } from "./udp_socket.ts";

/** A path for the fast lane has to be found within this many ms, or the multiplexer is used. */
const FAST_LANE_PATIENCE = 1_500;
/** Receive buffers of a fast lane's sockets: they carry checks only. */
const BUFFERS = 8;

/** Makes QUIC connections. */
export class Lanes {
  readonly #options: PeerNodeOptions;
  readonly #endpoint: PeerEndpoint;
  readonly #clock: Clock;

  private constructor(options: PeerNodeOptions, endpoint: PeerEndpoint) {
    this.#options = options;
    this.#endpoint = endpoint;
    this.#clock = options.clock ?? systemClock;
  }

  /** Binds the QUIC endpoints of the multiplexer. Throws what Deno throws when that fails. */
  static async open(options: PeerNodeOptions): Promise<Lanes> {
    return new Lanes(options, await PeerEndpoint.open(options.identity));
  }

  /** The certificate that new connections get. */
  certificate(): Promise<PeerCertificate> {
    return this.#endpoint.certificate();
  }

  /** Binds the sockets of a fast lane. Throws what Deno throws when that fails. */
  fast(): FastLane {
    const { openSocket, identity } = this.#options;
    return new FastLane({ sockets: openSockets(BUFFERS, openSocket), clock: this.#clock, identity });
  }

  /** Dials the peer that has answered, once there is a path to it. Rejects with PeerError. */
  async dial(meeting: Meeting, answer: AnswerSignal, signal: AbortSignal): Promise<Connection> {
    const { peer, fast, agent, link } = meeting;
    const to = { peer, certificate: answer.certificate, challenge: answer.challenge };
    if (fast === undefined) {
      await meeting.path.promise;
      return await this.#endpoint.dial(link, to, signal);
    }
    if (answer.lane !== "fast") throw new PeerError("peer_unreachable", "the peer offers no fast lane");
    const late = (): PeerError => new PeerError("no_path", agent.describe());
    const path = await deadline(meeting.path.promise, FAST_LANE_PATIENCE, late, { timers: this.#clock });
    return await fast.dial(agent, path, to, signal);
  }

  /** Lets the peer in, on its link or on the path that it nominates, until the meeting ends. */
  async listen(meeting: Meeting, certificate: PeerCertificate, expected: Expected): Promise<void> {
    const { fast, link } = meeting;
    if (fast === undefined) return meeting.whenEnded(this.#endpoint.expect(link, expected));
    link.path = await meeting.nominated.promise;
    await fast.listen(link.path, certificate, expected);
  }

  /** Ends every connection. */
  close(): Promise<void> {
    return this.#endpoint.close();
  }
}

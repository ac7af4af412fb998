/**
 * The meetings of this peer that are under way or last, and the signals that belong to them.
 *
 * @module
 */

import { Underway } from "../async/underway.ts";
import { PeerError } from "./errors.ts";
import type { PeerId } from "./identity.ts";
import { Meeting, type MeetingOptions } from "./meeting.ts";
import type { AnswerSignal, Candidate, CandidateSignal, CloseSignal, Signal } from "./ports.ts";

/** Connections to peers at once. */
const MAX_MEETINGS = 1_024;
/** Of one peer: the one in use, one that takes its place, and some to spare for calls that cross. */
const MAX_OF_PEER = 4;
/** Addresses that came before their offer: of so many connections, and so many of each. */
const MAX_EARLY = { connections: 64, candidates: 32 } as const;

/** Meetings by the name of the connection that they make. */
export class Meetings {
  readonly #send: (to: PeerId, signal: Signal) => void;
  readonly #meetings = new Map<string, Meeting>();
  readonly #ending = new Underway();
  readonly #early = new Map<string, { readonly from: PeerId; readonly candidates: Candidate[] }>();

  /** @param send Sends what may be lost: a path is found without it, or another attempt made. */
  constructor(send: (to: PeerId, signal: Signal) => void) {
    this.#send = send;
  }

  get size(): number {
    return this.#meetings.size;
  }

  /** Connections without an offer of which addresses are kept. */
  get earlyConnections(): number {
    return this.#early.size;
  }

  has(connection: string): boolean {
    return this.#meetings.has(connection);
  }

  [Symbol.iterator](): Iterator<Meeting> {
    return [...this.#meetings.values()][Symbol.iterator]();
  }

  /** Those with a peer. */
  with(peer: PeerId): Meeting[] {
    return [...this].filter((meeting) => meeting.peer === peer);
  }

  /** Whether a call of a peer is being answered, which may lead to a connection. */
  isAnswering(peer: PeerId): boolean {
    return this.with(peer).some(({ isAnswer, quic }) => isAnswer && quic === undefined);
  }

  /** Begins one. Throws PeerError `peer_unreachable` when there are too many. */
  begin(options: Omit<MeetingOptions, "tell">): Meeting {
    if (this.#meetings.size >= MAX_MEETINGS || this.with(options.peer).length >= MAX_OF_PEER) {
      throw new PeerError("peer_unreachable", "too many connections");
    }
    const meeting: Meeting = new Meeting({
      ...options,
      tell: (candidates, replace) =>
        this.#send(meeting.peer, {
          type: "candidate",
          connection: meeting.connection,
          candidates,
          ...replace ? { replace } : {},
        }),
    });
    this.#meetings.set(meeting.connection, meeting);
    const early = this.#early.get(meeting.connection);
    this.#early.delete(meeting.connection);
    if (early?.from === meeting.peer) meeting.agent.addCandidates(early.candidates);
    return meeting;
  }

  /** Ends one. @param reason Tells the peer, too. */
  end(meeting: Meeting, reason?: string, error?: PeerError): void {
    if (this.#meetings.get(meeting.connection) !== meeting) return;
    this.#meetings.delete(meeting.connection);
    void this.#ending.add(meeting.close(error));
    if (reason === undefined) return;
    this.#send(meeting.peer, { type: "close", connection: meeting.connection, reason });
  }

  /** Ends all. Resolves when nothing of them is under way any more. */
  async close(): Promise<void> {
    for (const meeting of this) this.end(meeting);
    await this.#ending.over();
  }

  /** Ends those with a peer, whose call counts instead. */
  supersede(peer: PeerId): void {
    for (const meeting of this.with(peer)) {
      meeting.superseded = true;
      this.end(meeting);
    }
  }

  /** Takes a signal of a meeting that is under way. */
  take(from: PeerId, signal: AnswerSignal | CandidateSignal | CloseSignal): void {
    const meeting = this.#meetings.get(signal.connection);
    if (meeting === undefined) {
      if (signal.type === "candidate") this.#keep(from, signal);
      return;
    }
    if (meeting.peer !== from) return;
    if (signal.type === "answer") meeting.answer.resolve(signal);
    else if (signal.type === "candidate") meeting.agent.addCandidates(signal.candidates, signal.replace);
    else {
      const refused = new PeerError("peer_unreachable", `the peer refuses: ${signal.reason}`);
      this.end(meeting, undefined, refused);
    }
  }

  /** Its offer is still being checked, or comes later. Without these addresses there may be no path. */
  #keep(from: PeerId, { connection, candidates }: CandidateSignal): void {
    const known = this.#early.get(connection);
    if (known !== undefined && known.from !== from) return;
    const kept = known ?? { from, candidates: [] };
    kept.candidates.push(...candidates.slice(0, MAX_EARLY.candidates - kept.candidates.length));
    this.#early.set(connection, kept);
    // The oldest belongs to a meeting that has ended, most likely.
    if (this.#early.size > MAX_EARLY.connections) this.#early.delete(this.#early.keys().next().value!);
  }
}

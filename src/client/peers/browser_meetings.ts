/**
 * The meetings of a peer in a browser that are under way or last.
 *
 * @module
 */

import { PeerError, type PeerId } from "../../peer/browser.ts";
import { BrowserMeeting, type BrowserMeetingOptions } from "./browser_meeting.ts";

/** Meetings at once; browsers allow about 500 connections. */
const MAX_MEETINGS = 64;
/** Of one peer: the one in use, one that takes its place, and some to spare for calls that cross. */
const MAX_OF_PEER = 4;

/** Meetings by the name of the connection that they make. */
export class BrowserMeetings {
  readonly #meetings = new Map<string, BrowserMeeting>();

  [Symbol.iterator](): Iterator<BrowserMeeting> {
    return [...this.#meetings.values()][Symbol.iterator]();
  }

  has(connection: string): boolean {
    return this.#meetings.has(connection);
  }

  /** The meeting with this peer that makes this connection. */
  get(connection: string, peer: PeerId): BrowserMeeting | undefined {
    const meeting = this.#meetings.get(connection);
    return meeting?.peer === peer ? meeting : undefined;
  }

  /** Those with a peer. */
  with(peer: PeerId): BrowserMeeting[] {
    return [...this].filter((meeting) => meeting.peer === peer);
  }

  /** Whether a call of a peer is being answered, which may lead to a connection. */
  isAnswering(peer: PeerId): boolean {
    return this.with(peer).some(({ isAnswering }) => isAnswering);
  }

  /** Begins one. Throws PeerError `peer_unreachable` when there are too many. */
  begin(options: BrowserMeetingOptions): BrowserMeeting {
    if (this.#meetings.size >= MAX_MEETINGS || this.with(options.peer).length >= MAX_OF_PEER) {
      throw new PeerError("peer_unreachable", "too many connections");
    }
    const meeting = new BrowserMeeting(options);
    this.#meetings.set(meeting.connection, meeting);
    return meeting;
  }

  /** Ends one. */
  end(meeting: BrowserMeeting, error?: PeerError): void {
    if (this.#meetings.get(meeting.connection) === meeting) this.#meetings.delete(meeting.connection);
    meeting.close(error);
  }
}

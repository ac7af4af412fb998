/**
 * A channel with its local members: fan-out, and the way from catching up to live.
 *
 * @module
 */

import type { StoredRecord } from "../engine/contract.ts";
import { Encoded, type ErrorName, type Message } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { HubSession } from "./session_registry.ts";

/**
 * Where a member stands: told nothing yet (`joining`), being sent what it missed (`catching`), in the fan-out
 * (`live`), out of it until it subscribes again (`stopped`), replaced or left (`gone`).
 */
export type MemberState = "joining" | "catching" | "live" | "stopped" | "gone";

/** One subscription of one connection. A later connection of the session gets members of its own. */
export class Member {
  readonly session: HubSession;
  readonly client: Client;
  readonly channel: Channel;
  lane: number;
  state: MemberState = "joining";
  epoch = "";
  /** Offset of the last message sent to it. */
  cursor = 0;
  /** It has had everything up to an end of the history that the engine named after it joined. */
  reached = false;
  /** Its place among the live ones, -1 when it is not. */
  index = -1;
  /** Set while the engine has not yet said where the channel stands. */
  joining: Promise<unknown> | undefined;

  constructor(session: HubSession, client: Client, channel: Channel, lane: number) {
    this.session = session;
    this.client = client;
    this.channel = channel;
    this.lane = lane;
  }
}

/** A message on its way to members. */
export interface Delivery {
  readonly offset: number;
  readonly message: Encoded;
}

/** What a channel tells its hub. */
export interface ChannelOwner {
  /** `member` cannot go on: it is to be removed and told why. */
  end(member: Member, reason: ErrorName): void;
  failed(error: unknown, stage: string): void;
}

/** A channel somebody on this node is on. */
export class Channel {
  readonly name: string;
  /** Rejects when the engine could not be followed. */
  ready: Promise<void> | undefined;
  /** Empty until the engine said it. */
  epoch = "";
  /** Offset of the last message fanned out. */
  offset = 0;
  /** In the fan-out. */
  readonly live: Member[] = [];
  /** On their way there. */
  readonly waiting = new Set<Member>();
  /** What came since somebody began to catch up, oldest first, as far as it was kept. */
  tail: Delivery[] = [];
  /** Everything after this offset that was fanned out is in `tail`. */
  floor = 0;
  readonly #owner: ChannelOwner;
  readonly #most: number;
  #past = "";

  /** `tail`: messages kept at hand while somebody catches up. */
  constructor(name: string, owner: ChannelOwner, tail: number) {
    this.name = name;
    this.#most = tail;
    this.#owner = owner;
  }

  /** Members that get messages, or will. */
  get size(): number {
    return this.live.length + this.waiting.size;
  }

  /** Takes in a member that has still to catch up. */
  join(member: Member): void {
    if (this.waiting.size === 0) {
      this.tail = [];
      this.floor = this.offset;
    }
    this.waiting.add(member);
  }

  /** Puts a member that has caught up into the fan-out. */
  goLive(member: Member): void {
    this.#stopWaiting(member);
    member.state = "live";
    member.index = this.live.push(member) - 1;
  }

  /** Takes a member out. */
  remove(member: Member, state: "stopped" | "gone"): void {
    member.state = state;
    if (member.index < 0) return this.#stopWaiting(member);
    const last = this.live.pop()!;
    if (last !== member) {
      this.live[member.index] = last;
      last.index = member.index;
    }
    member.index = -1;
  }

  /** Sends a committed message to all members, once each. */
  deliver(record: StoredRecord, epoch: string): void {
    if (epoch !== this.epoch) {
      if (epoch === this.#past) return;
      this.meet(epoch);
    }
    const offset = record.offset;
    if (offset <= this.offset) return;
    this.offset = offset;
    const live = this.live;
    const many = live.length + this.waiting.size;
    if (many === 0) return;
    const message = new Encoded(deliveryOf(this.name, record), many > 1);
    // First into the tail: a member that goes live during the loop below takes it from there.
    if (this.waiting.size > 0) this.#keep({ offset, message });
    // Backwards, because sending may take members out: the last one then moves to the place that fell free, and it
    // has been served.
    for (let i = live.length - 1; i >= 0; i--) {
      const member = live[i];
      if (member === undefined || member.cursor >= offset) continue;
      member.cursor = offset;
      try {
        member.client.send(message, member.lane);
      } catch (error) {
        this.#owner.failed(error, "send");
      }
    }
  }

  /** Sends what is not kept to all members that have been told they are on the channel. */
  push(message: Encoded, ephemeral: boolean, except: (session: HubSession) => boolean): void {
    for (let i = this.live.length - 1; i >= 0; i--) this.#pushTo(this.live[i], message, ephemeral, except);
    if (this.waiting.size === 0) return;
    for (const member of this.waiting) {
      if (member.state === "catching") this.#pushTo(member, message, ephemeral, except);
    }
  }

  /**
   * The engine says that the channel is in `epoch`. When it was in another one, that history was lost: members that
   * are not in the new one cannot go on.
   */
  meet(epoch: string): void {
    if (epoch === this.epoch || epoch === this.#past) return;
    const before = this.epoch;
    this.epoch = epoch;
    if (before === "") return;
    this.#past = before;
    this.offset = 0;
    this.tail = [];
    this.floor = 0;
    for (const member of [...this.live, ...this.waiting]) {
      if (member.epoch !== epoch && member.epoch !== "") this.#owner.end(member, "unrecoverable_position");
    }
  }

  #pushTo(
    member: Member | undefined,
    message: Encoded,
    ephemeral: boolean,
    except: (session: HubSession) => boolean,
  ): void {
    if (member === undefined || except(member.session)) return;
    try {
      if (ephemeral) member.client.sendEphemeral(message, member.lane);
      else member.client.send(message, member.lane);
    } catch (error) {
      this.#owner.failed(error, "send");
    }
  }

  #keep(delivery: Delivery): void {
    if (this.tail.length >= this.#most) this.floor = this.tail.shift()!.offset;
    this.tail.push(delivery);
  }

  #stopWaiting(member: Member): void {
    if (this.waiting.delete(member) && this.waiting.size === 0) this.tail = [];
  }
}

/** A kept message as members get it. */
export function deliveryOf(channel: string, record: StoredRecord): Message {
  return {
    type: record.type,
    id: record.id,
    timestamp: record.timestamp,
    payload: {
      channel,
      from: record.from,
      ...record.payload,
      offset: record.offset,
      prev: record.prev,
    },
  };
}

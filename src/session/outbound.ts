/**
 * Messages from the service to one client.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import {
  Encoded,
  failureOf,
  type Message,
  type Payload,
  type PlainPing,
  Pongs,
  ProtocolError,
  uuidv7,
} from "../protocol/mod.ts";
import type { ServerType } from "../protocol/mod.ts";
import type { MessageConnection } from "../transport/contract.ts";
import { Outbox, type OutboxEvents } from "./outbox.ts";

/** What leaves on one connection: by way of its outbox, or as a datagram. */
export class Outbound {
  readonly outbox: Outbox;
  readonly #connection: MessageConnection;
  readonly #clock: Clock;
  #ended = false;
  /** Compresses what it is worth for; undefined: the client has not asked for it. */
  compress: ((message: Encoded) => Encoded) | undefined;

  /** `maxBytes`: about what may wait. */
  constructor(connection: MessageConnection, maxBytes: number, clock: Clock, events: OutboxEvents) {
    this.#connection = connection;
    this.#clock = clock;
    this.outbox = new Outbox(maxBytes, () => connection.wire.form, events);
  }

  /** Sends as the table of types says: see `Client.send`. */
  send(message: Encoded, lane: number): void {
    const connection = this.#connection;
    if (message.queueing.datagram && connection.maxDatagramSize > 0 && connection.sendDatagram(message)) {
      return;
    }
    const at = connection.laneOrControl(lane);
    if (this.compress !== undefined) return this.#sendCompressed(message, at, this.compress);
    if (this.outbox.add(message, at)) connection.wake(at);
  }

  /** See `Client.ready`. */
  ready(lane?: number): Promise<void> | undefined {
    return this.outbox.whenRoom(lane === undefined ? lane : this.#connection.laneOrControl(lane));
  }

  /** Sends a reply or a notice, which is never dropped. */
  push(type: ServerType, payload: Payload, lane = 0, re?: string): void {
    if (this.#ended) return;
    const at = this.#connection.laneOrControl(lane);
    const message = new Encoded(this.#message(type, payload, re));
    this.outbox.push(this.compress?.(message) ?? message, at);
    this.#connection.wake(at);
  }

  /** Answers a ping on lane 0, together with those before it whose answers wait. */
  pong(ping: PlainPing): void {
    if (this.#ended) return;
    const now = this.#clock.wall();
    const last = this.outbox.last(0);
    if (last instanceof Pongs) {
      const bytes = last.bytesOf(ping, now);
      if (bytes > 0 && this.outbox.growLast(0, bytes)) return last.add(ping, bytes);
    }
    const pongs = new Pongs();
    pongs.add(ping, pongs.bytesOf(ping, now));
    this.outbox.push(pongs, 0);
    this.#connection.wake(0);
  }

  /** Answers a datagram by a datagram, which may be lost. */
  pushDatagram(type: ServerType, payload: Payload, re: string): void {
    this.#connection.sendDatagram(new Encoded(this.#message(type, payload, re)));
  }

  /** Sends an `error`. `retryAfter`: milliseconds. */
  pushError(error: ProtocolError, re: string | undefined, lane: number, retryAfter?: number): void {
    const payload: Payload = { ...failureOf(error) };
    if (retryAfter !== undefined) payload.retryAfter = retryAfter;
    this.push("error", payload, lane, re);
  }

  /** The connection has ended: what waits is dropped, and so is all that follows. */
  end(): void {
    this.#ended = true;
    this.outbox.clear();
  }

  /** A batch stays whole as long as none of its messages is compressed. */
  #sendCompressed(message: Encoded, lane: number, compress: (message: Encoded) => Encoded): void {
    const { parts = [message] } = message;
    const made = parts.map(compress);
    const isSame = made.every((each, at) => each === parts[at]);
    for (const each of isSame ? [message] : made) {
      if (this.outbox.add(each, lane)) this.#connection.wake(lane);
    }
  }

  #message(type: ServerType, payload: Payload, re: string | undefined): Message {
    const timestamp = this.#clock.wall();
    return re === undefined
      ? { type, id: uuidv7(), timestamp, payload }
      : { type, id: uuidv7(), timestamp, re, payload };
  }
}

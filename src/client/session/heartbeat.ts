/**
 * Keeps one link alive and judges it: pings on the control lane, numbered datagrams where there are any.
 *
 * @module
 */

import { Encoded, type Message, uuidv7 } from "../../protocol/core.ts";
import type { Clock } from "../clock.ts";
import { Health, type HealthAction, type HeartbeatSettings } from "../policy/health.ts";
import { MAX_RTT } from "../policy/meter.ts";
import type { Link } from "./link.ts";

/** Milliseconds after which a datagram counts as lost. */
const LOST_AFTER = 2000;
/** Milliseconds between numbered datagrams while there is traffic. */
const BUSY_INTERVAL = 1000;
/** Pings that are remembered. */
const MAX_PINGS = 32;

/** What a heartbeat tells. */
export interface HeartbeatEvents {
  /** Nothing came for too long. */
  dead(): void;
  /** A round trip took `ms`. */
  roundTrip(ms: number): void;
  /** A numbered datagram came back, or did not. */
  datagram(lost: boolean): void;
}

/** The heartbeat of one link. */
export class Heartbeat {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #health: Health;
  readonly #events: HeartbeatEvents;
  readonly #sent = new Map<string, number>();
  readonly #datagrams = new Map<string, () => void>();
  #cancel: (() => void) | undefined;
  #cancelBusy: (() => void) | undefined;
  #rtt: number | undefined;
  #stopped = false;

  constructor(link: Link, settings: HeartbeatSettings, clock: Clock, events: HeartbeatEvents) {
    this.#link = link;
    this.#clock = clock;
    this.#events = events;
    this.#health = new Health(settings, clock.now());
    this.#ping();
    this.#schedule();
  }

  /** A message came on the link. True when it was a pong to a ping of this heartbeat. */
  received(message: Message): boolean {
    if (this.#stopped) return false;
    this.#health.received(this.#clock.now());
    if (message.type !== "pong" || message.re === undefined) {
      this.#busy();
      return false;
    }
    const arrived = this.#datagrams.get(message.re);
    if (arrived !== undefined) {
      this.#datagrams.delete(message.re);
      arrived();
      this.#events.datagram(false);
      return true;
    }
    const sentAt = this.#sent.get(message.re);
    if (sentAt === undefined) return false;
    this.#sent.delete(message.re);
    this.#rtt = this.#clock.now() - sentAt;
    this.#events.roundTrip(this.#rtt);
    return true;
  }

  /** Something suggests that the path is gone: look at once. */
  suspect(): void {
    if (this.#stopped) return;
    this.#act(this.#health.suspect(this.#clock.now()));
  }

  /** Ends it: no timer is left. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancelBusy?.();
    for (const cancel of this.#datagrams.values()) cancel();
    this.#datagrams.clear();
  }

  #schedule(): void {
    this.#cancel?.();
    const now = this.#clock.now();
    this.#cancel = this.#clock.after(
      this.#health.next(now) - now,
      () => this.#act(this.#health.check(this.#clock.now())),
    );
  }

  #act(action: HealthAction): void {
    if (action === "dead") {
      this.stop();
      return this.#events.dead();
    }
    if (action === "ping") this.#ping();
    this.#schedule();
  }

  #ping(): void {
    const id = uuidv7();
    this.#sent.set(id, this.#clock.now());
    if (this.#sent.size > MAX_PINGS) {
      const [oldest] = this.#sent.keys();
      this.#sent.delete(oldest!);
    }
    this.#link.send(
      "ping",
      this.#rtt === undefined ? {} : { rtt: Math.min(MAX_RTT, Math.max(0, this.#rtt)) },
      0,
      id,
    );
    this.#pingByDatagram();
  }

  #pingByDatagram(): void {
    const { transport } = this.#link;
    if (transport.maxDatagramSize === 0 || this.#datagrams.size >= MAX_PINGS) return;
    const id = uuidv7();
    if (!transport.sendDatagram(new Encoded({ type: "ping", id, timestamp: Date.now(), payload: {} }))) {
      return;
    }
    this.#datagrams.set(
      id,
      this.#clock.after(LOST_AFTER, () => {
        this.#datagrams.delete(id);
        this.#events.datagram(true);
      }),
    );
  }

  /** While there is traffic the path is looked at more often; an idle client sends no more than it must. */
  #busy(): void {
    if (this.#cancelBusy !== undefined || this.#link.transport.maxDatagramSize === 0) return;
    this.#cancelBusy = this.#clock.after(BUSY_INTERVAL, () => {
      this.#cancelBusy = undefined;
      this.#pingByDatagram();
    });
  }
}

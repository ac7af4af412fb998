/**
 * Keeps the connection alive and measures it: pings on the control lane, numbered datagrams where there are any.
 *
 * @module
 */

import { Encoded, type Message, uuidv7 } from "../../protocol/core.ts";
import type { Clock } from "../clock.ts";
import { Health, type HealthAction } from "../policy/health.ts";
import { MAX_RTT } from "../policy/meter.ts";
import type { ClientTransport } from "../transport/contract.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";

/** Milliseconds after which a datagram counts as lost. */
const LOST_AFTER = 2000;
/** Milliseconds between numbered datagrams while there is traffic. */
const BUSY_INTERVAL = 1000;
/** Numbered datagrams lost at the beginning, none having come back, after which the path carries none. */
const NONE_AFTER = 4;
/** Pings that are remembered. */
const MAX_PINGS = 32;

/** What a heartbeat measures is told to these. */
export interface HeartbeatObserver {
  /** A round trip took `ms`. */
  roundTrip(ms: number): void;
  /** A numbered datagram came back, or did not. */
  datagram(lost: boolean): void;
}

/** The heartbeat of the connection in use. */
export class Heartbeat implements SessionPart {
  readonly #clock: Clock;
  readonly #observers: readonly HeartbeatObserver[];
  #link: Link | undefined;
  #health: Health | undefined;
  readonly #sent = new Map<string, number>();
  readonly #datagrams = new Map<string, () => void>();
  #cancel: (() => void) | undefined;
  #cancelBusy: (() => void) | undefined;
  #rtt: number | undefined;
  /** Numbered datagrams lost before any came back; undefined once one has. */
  #lostFirst: number | undefined;

  constructor(clock: Clock, observers: readonly HeartbeatObserver[]) {
    this.#clock = clock;
    this.#observers = observers;
  }

  attach(link: Link): void {
    this.detach();
    this.#link = link;
    this.#lostFirst = 0;
    this.#health = new Health(link.response.heartbeat, this.#clock.now());
    this.#ping();
    this.#schedule();
  }

  /** Anything at all shows that the connection lives; a pong to a ping of the heartbeat is taken. */
  take({ type, re }: Message, isCurrent: boolean): boolean {
    if (!isCurrent || this.#health === undefined) return false;
    this.#health.received(this.#clock.now());
    if (type !== "pong" || re === undefined) {
      this.#busy();
      return false;
    }
    const arrived = this.#datagrams.get(re);
    if (arrived !== undefined) {
      this.#datagrams.delete(re);
      arrived();
      this.#lostFirst = undefined;
      this.#datagram(false);
      return true;
    }
    const sentAt = this.#sent.get(re);
    if (sentAt === undefined) return false;
    this.#sent.delete(re);
    this.#rtt = this.#clock.now() - sentAt;
    for (const observer of this.#observers) observer.roundTrip(this.#rtt);
    return true;
  }

  /** Something suggests that the path is gone: look at once. */
  suspect(): void {
    if (this.#health !== undefined) this.#act(this.#health.suspect(this.#clock.now()));
  }

  detach(): void {
    this.#link = this.#health = this.#rtt = undefined;
    this.#cancel?.();
    this.#cancelBusy?.();
    this.#cancelBusy = undefined;
    for (const cancel of this.#datagrams.values()) cancel();
    this.#datagrams.clear();
    this.#sent.clear();
  }

  #schedule(): void {
    const health = this.#health;
    if (health === undefined) return;
    this.#cancel?.();
    const now = this.#clock.now();
    this.#cancel = this.#clock.after(
      health.next(now) - now,
      () => this.#act(health.check(this.#clock.now())),
    );
  }

  #act(action: HealthAction): void {
    if (action === "dead") return this.#link?.abandon("nothing came for too long");
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
    const rtt = this.#rtt;
    this.#link?.send("ping", rtt === undefined ? {} : { rtt: Math.min(MAX_RTT, Math.max(0, rtt)) }, 0, id);
    this.#pingByDatagram();
  }

  #pingByDatagram(): void {
    const transport = this.#link?.transport;
    if (!transport?.maxDatagramSize || this.#datagrams.size >= MAX_PINGS) return;
    const id = uuidv7();
    if (!transport.sendDatagram(new Encoded({ type: "ping", id, timestamp: Date.now(), payload: {} }))) {
      return;
    }
    this.#datagrams.set(
      id,
      this.#clock.after(LOST_AFTER, () => {
        this.#datagrams.delete(id);
        this.#lost(transport);
      }),
    );
  }

  #lost(transport: ClientTransport): void {
    if (this.#lostFirst === undefined) return this.#datagram(true);
    // A path whose streams work and whose datagrams never do is not a lossy one.
    if (++this.#lostFirst >= NONE_AFTER) transport.stopDatagrams();
  }

  /** While there is traffic the path is looked at more often; an idle client sends no more than it must. */
  #busy(): void {
    if (this.#cancelBusy !== undefined || !this.#link?.transport.maxDatagramSize) return;
    this.#cancelBusy = this.#clock.after(BUSY_INTERVAL, () => {
      this.#cancelBusy = undefined;
      this.#pingByDatagram();
    });
  }

  #datagram(lost: boolean): void {
    for (const observer of this.#observers) observer.datagram(lost);
  }
}

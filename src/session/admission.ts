/**
 * Which addresses may connect, and how many connections there are. The rates of users are kept here as well, because
 * they are shared by connections and outlive them in the same way.
 *
 * @module
 */

import type { CloseName } from "../protocol/mod.ts";
import type { RateSettings, SessionSettings } from "./contract.ts";
import { RateLimit, TokenBucket } from "./rates.ts";

/** A handshake that was malformed, or had a bad token, counts as so many new connections of its address. */
const BAD_HANDSHAKE = 10;

/** An address, and the settings its buckets were made with. */
interface Address {
  connections: number;
  /** New connections, by peers that are at this address. */
  proved: TokenBucket;
  /** New connections, by peers that say so. */
  forgeable: TokenBucket;
  settings: SessionSettings["perIp"];
}

interface User {
  connections: number;
  limit: RateLimit;
  settings: RateSettings;
}

/** Addresses that connect and users that send, on this node. Bounded by its connections and by `sweep`. */
export class Admission {
  readonly #settings: () => SessionSettings;
  readonly #addresses = new Map<string, Address>();
  readonly #users = new Map<string, User>();
  #connections = 0;

  constructor(settings: () => SessionSettings) {
    this.#settings = settings;
  }

  /** Connections that were acquired and not yet released. */
  get connections(): number {
    return this.#connections;
  }

  /** Addresses and users that are remembered. */
  get size(): { addresses: number; users: number } {
    return { addresses: this.#addresses.size, users: this.#users.size };
  }

  /**
   * Whether `host` may try to connect: takes one from its rate of new connections. `isForgeable`: the address has not
   * been proved, as with the first packet of QUIC. Those have a rate of their own, or anybody could keep a client
   * out on every transport by using its address.
   */
  admitHandshake(host: string, now: number, isForgeable = false): CloseName | undefined {
    const { proved, forgeable } = this.#address(host, now);
    return (isForgeable ? forgeable : proved).tryTake(1, now) ? undefined : "rate_limited";
  }

  /** A handshake of `host` was bad: its rates of new connections pay for it, and may fall into debt. */
  badHandshake(host: string, now: number): void {
    const { proved, forgeable } = this.#address(host, now);
    proved.take(BAD_HANDSHAKE, now);
    forgeable.take(BAD_HANDSHAKE, now);
  }

  /** Counts a connection of `host`, to be given back with `release`. Returns why it may not be: nothing is counted then. */
  acquire(host: string, now: number): CloseName | undefined {
    const { perIp, maxConnections } = this.#settings();
    if (this.#connections >= maxConnections) return "connection_limit";
    const address = this.#address(host, now);
    if (address.connections >= perIp.connections) return "connection_limit";
    address.connections++;
    this.#connections++;
    return undefined;
  }

  /** A connection of `host` has ended. */
  release(host: string): void {
    const address = this.#addresses.get(host);
    if (address === undefined) return;
    address.connections--;
    this.#connections--;
  }

  /** The rate of a user, shared by the user's connections; to be given back with `releaseUser`. */
  acquireUser(userId: string, now: number): RateLimit {
    const settings = this.#settings().rates.user;
    let user = this.#users.get(userId);
    if (user === undefined || !sameRates(user.settings, settings)) {
      user = { connections: user?.connections ?? 0, limit: new RateLimit(settings, now), settings };
      this.#users.set(userId, user);
    }
    user.connections++;
    return user.limit;
  }

  /** A connection of the user has ended. */
  releaseUser(userId: string): void {
    const user = this.#users.get(userId);
    if (user !== undefined) user.connections--;
  }

  /** Forgets addresses and users that have no connection and owe nothing. */
  sweep(now: number): void {
    for (const [host, address] of this.#addresses) {
      const { connections, proved, forgeable } = address;
      if (connections <= 0 && proved.full(now) && forgeable.full(now)) this.#addresses.delete(host);
    }
    for (const [userId, user] of this.#users) {
      if (user.connections <= 0 && user.limit.idle(now)) this.#users.delete(userId);
    }
  }

  #address(host: string, now: number): Address {
    const settings = this.#settings().perIp;
    let address = this.#addresses.get(host);
    // Another configuration's rates hold at once. One that leaves them as they were forgives no debt.
    if (
      address === undefined || address.settings.rate !== settings.rate ||
      address.settings.burst !== settings.burst
    ) {
      const bucket = () => new TokenBucket({ perSecond: settings.rate, burst: settings.burst }, now);
      address = { connections: address?.connections ?? 0, proved: bucket(), forgeable: bucket(), settings };
      this.#addresses.set(host, address);
    }
    return address;
  }
}

function sameRates(a: RateSettings, b: RateSettings): boolean {
  return a === b ||
    a.messagesPerSecond === b.messagesPerSecond && a.messageBurst === b.messageBurst &&
      a.bytesPerSecond === b.bytesPerSecond && a.byteBurst === b.byteBurst;
}

/** The address without its port: `[::1]:443` and `::1` are one host. IPv6 peers share a bucket by /64. */
export function hostOf(remoteAddress: string): string {
  let host = remoteAddress;
  const bracket = host.lastIndexOf("]");
  if (host.startsWith("[") && bracket > 0) host = host.slice(1, bracket);
  else if (host.includes(".") || host.indexOf(":") === host.lastIndexOf(":")) {
    const colon = host.lastIndexOf(":");
    if (colon > 0) host = host.slice(0, colon);
  } else {
    host = host.slice(0, host.lastIndexOf(":"));
  }
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host);
  if (mapped) return mapped[1]!;
  return host.includes(":") ? prefix64(host) : host;
}

function prefix64(address: string): string {
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = tail === undefined
    ? left
    : [...left, ...Array(Math.max(0, 8 - left.length - right.length)).fill("0"), ...right];
  return groups.slice(0, 4).map((g) => g.replace(/^0+(?=.)/, "").toLowerCase()).join(":") + "::/64";
}

/**
 * Who may connect, and how much may be sent: limits by address, by user and by connection.
 *
 * @module
 */

import type { CloseName } from "../protocol/mod.ts";
import { TokenBucket } from "./bucket.ts";
import type { RateSettings, SessionSettings } from "./contract.ts";

/** Messages and bytes of one sender. */
export class RateLimit {
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;

  constructor(settings: RateSettings, now: number) {
    this.#messages = new TokenBucket(
      { perSecond: settings.messagesPerSecond, burst: settings.messageBurst },
      now,
    );
    this.#bytes = new TokenBucket({ perSecond: settings.bytesPerSecond, burst: settings.byteBurst }, now);
  }

  /** Charges one message and returns the milliseconds to pause. */
  charge(bytes: number, now: number): number {
    const a = this.#messages.take(1, now);
    const b = this.#bytes.take(bytes, now);
    return a > b ? a : b;
  }

  /** Whether nothing has been sent for so long that it may be forgotten. */
  idle(now: number): boolean {
    return this.#messages.full(now) && this.#bytes.full(now);
  }
}

/** An address and the settings its bucket was made for: others come with another configuration. */
interface Address {
  connections: number;
  bucket: TokenBucket;
  settings: SessionSettings["perIp"];
}

interface User {
  sessions: number;
  limit: RateLimit;
  settings: RateSettings;
}

/** Addresses that connect and users that send, on this node. Bounded by the connections there are, and by sweeping. */
export class Admission {
  readonly #settings: () => SessionSettings;
  readonly #addresses = new Map<string, Address>();
  readonly #users = new Map<string, User>();
  #connections = 0;

  constructor(settings: () => SessionSettings) {
    this.#settings = settings;
  }

  /** Connections counted in. */
  get connections(): number {
    return this.#connections;
  }

  /** Whether `host` may try to connect now: its rate of new connections. Asked before a handshake costs anything. */
  admitHandshake(host: string, now: number): CloseName | undefined {
    return this.#address(host, now).bucket.tryTake(1, now) ? undefined : "rate_limited";
  }

  /** Counts a connection of `host` in, or says why it may not be: then nothing is counted. */
  enter(host: string, now: number): CloseName | undefined {
    const { perIp, maxConnections } = this.#settings();
    if (this.#connections >= maxConnections) return "connection_limit";
    const address = this.#address(host, now);
    if (address.connections >= perIp.connections) return "connection_limit";
    address.connections++;
    this.#connections++;
    return undefined;
  }

  /** A connection of `host` has ended. */
  leave(host: string): void {
    const address = this.#addresses.get(host);
    if (address === undefined) return;
    address.connections--;
    this.#connections--;
  }

  /** The bucket of a user, shared by the user's connections; give it back with `release`. */
  user(userId: string, now: number): RateLimit {
    const settings = this.#settings().rates.user;
    let user = this.#users.get(userId);
    if (user?.settings !== settings) {
      user = { sessions: user?.sessions ?? 0, limit: new RateLimit(settings, now), settings };
      this.#users.set(userId, user);
    }
    user.sessions++;
    return user.limit;
  }

  /** A connection of the user has ended. */
  release(userId: string): void {
    const user = this.#users.get(userId);
    if (user !== undefined) user.sessions--;
  }

  #address(host: string, now: number): Address {
    const settings = this.#settings().perIp;
    let address = this.#addresses.get(host);
    if (address?.settings !== settings) {
      const bucket = new TokenBucket({ perSecond: settings.rate, burst: settings.burst }, now);
      address = { connections: address?.connections ?? 0, bucket, settings };
      this.#addresses.set(host, address);
    }
    return address;
  }

  /** Forgets addresses and users that have no connection and owe nothing. */
  sweep(now: number): void {
    for (const [host, address] of this.#addresses) {
      if (address.connections <= 0 && address.bucket.full(now)) this.#addresses.delete(host);
    }
    for (const [userId, user] of this.#users) {
      if (user.sessions <= 0 && user.limit.idle(now)) this.#users.delete(userId);
    }
  }
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

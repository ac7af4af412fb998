/**
 * A rate limiter for `listen`: token buckets, one for each address and one for all.
 *
 * @module
 */

import type { RateLimiter } from "./server_types.ts";
import type { Address } from "./types.ts";

/** A rate that may be exceeded for a moment. */
export interface Rate {
  /** Events a second in the long run. */
  readonly perSecond: number;
  /** Events at once after a quiet time. @default perSecond, at least 1 */
  readonly burst?: number;
}

/** The rates of one kind of event; what is left out is not limited. */
export interface Rates {
  /** Of one address. IPv6 addresses count by their first 64 bits, which one customer has. */
  readonly perAddress?: Rate;
  /** Of all addresses together. */
  readonly global?: Rate;
}

/** Options of `createRateLimiter`. */
export interface RateLimiterOptions {
  readonly connections?: Rates;
  /** Ordinary HTTP/3 requests. */
  readonly requests?: Rates;
  /** Streams that peers open. */
  readonly streams?: Rates;
  /** Datagrams of peers. */
  readonly datagrams?: Rates;
  /** Milliseconds that a request or a stream may wait for its turn; one that had to wait longer is refused. @default 5000 */
  readonly maxWait?: number;
  /** Whether requests of this URL pass without being counted, such as health checks. @default none */
  readonly isExempt?: (url: URL) => boolean;
  /** Milliseconds of a clock that only goes forward. @default performance.now */
  readonly now?: () => number;
}

/** Addresses that are remembered for each kind of event. Those above share one bucket. */
const MAX_ADDRESSES = 10_000;

/** Makes a rate limiter. Throws RangeError on a rate that is not positive. */
export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  const { maxWait = 5_000, isExempt, now = () => performance.now() } = options;
  const limit = (rates: Rates | undefined): Buckets | undefined => rates && new Buckets(rates, now);
  const connections = limit(options.connections);
  const requests = limit(options.requests);
  const streams = limit(options.streams);
  const datagrams = limit(options.datagrams);
  return {
    ...(connections && { connection: (address: Address) => connections.take(address, 0) === 0 }),
    ...(requests && {
      request: (address: Address, url: URL) => isExempt?.(url) ? 0 : requests.take(address, maxWait),
    }),
    ...(streams && { stream: (address: Address) => streams.take(address, maxWait) }),
    ...(datagrams && { datagram: (address: Address) => datagrams.take(address, 0) === 0 }),
  };
}

/** The buckets of one kind of event. */
class Buckets {
  readonly #rates: Rates;
  readonly #now: () => number;
  readonly #global: Bucket | undefined;
  readonly #byAddress = new Map<string, Bucket>();
  #others: Bucket | undefined;

  constructor(rates: Rates, now: () => number) {
    this.#rates = rates;
    this.#now = now;
    this.#global = rates.global && new Bucket(rates.global, now());
    if (rates.perAddress !== undefined) new Bucket(rates.perAddress, 0); // Throws on a bad rate now, not later.
  }

  /** Milliseconds to wait, at most `maxWait`, with the event counted; otherwise Infinity, and it is not counted. */
  take(address: Address, maxWait: number): number {
    const now = this.#now();
    const own = this.#rates.perAddress &&
      this.#bucketOf(networkOf(address.hostname), this.#rates.perAddress, now);
    const wait = Math.max(own?.wait(now) ?? 0, this.#global?.wait(now) ?? 0);
    if (wait > maxWait) return Infinity;
    own?.take(now);
    this.#global?.take(now);
    return wait;
  }

  #bucketOf(network: string, rate: Rate, now: number): Bucket {
    const known = this.#byAddress.get(network);
    if (known !== undefined) return known;
    if (this.#byAddress.size >= MAX_ADDRESSES) this.#forgetFull(now);
    // Nobody's debt is forgotten to make room.
    if (this.#byAddress.size >= MAX_ADDRESSES) return this.#others ??= new Bucket(rate, now);
    const bucket = new Bucket(rate, now);
    this.#byAddress.set(network, bucket);
    return bucket;
  }

  #forgetFull(now: number): void {
    for (const [network, bucket] of this.#byAddress) {
      if (bucket.isFull(now)) this.#byAddress.delete(network);
    }
  }
}

/** A token bucket that may go into debt: whoever waits has taken its token already. */
class Bucket {
  readonly #perMillisecond: number;
  readonly #burst: number;
  #tokens: number;
  #stamp: number;

  constructor({ perSecond, burst = Math.max(1, perSecond) }: Rate, now: number) {
    if (!(perSecond > 0) || !(burst >= 1)) {
      throw new RangeError(`not a rate: ${perSecond} a second with a burst of ${burst}`);
    }
    this.#perMillisecond = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#stamp = now;
  }

  wait(now: number): number {
    this.#fill(now);
    return this.#tokens >= 1 ? 0 : (1 - this.#tokens) / this.#perMillisecond;
  }

  take(now: number): void {
    this.#fill(now);
    this.#tokens--;
  }

  isFull(now: number): boolean {
    this.#fill(now);
    return this.#tokens >= this.#burst;
  }

  #fill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#stamp) * this.#perMillisecond);
    this.#stamp = now;
  }
}

/** What an address is counted by: an IPv4 address itself, the first 64 bits of an IPv6 one. */
function networkOf(hostname: string): string {
  if (!hostname.includes(":")) return hostname;
  const [head = "", tail] = hostname.split("%", 1)[0]!.split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const rest = tail === "" ? 0 : tail.split(":").length;
    while (groups.length + rest < 8) groups.push("0");
    if (tail !== "") groups.push(...tail.split(":"));
  }
  return groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":");
}

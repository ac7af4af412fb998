/**
 * How often one address may ask, whatever version of HTTP it speaks. Above its rate a request waits for its turn, which
 * slows down who floods; one that had to wait too long is refused.
 *
 * @module
 */

import { createRateLimiter, type RateLimiter } from "../../quic/mod.ts";
import { WEBSOCKET_PATH } from "./client_info.ts";

/** The rate of an address. */
export interface RequestRate {
  /** Requests a second in the long run. */
  readonly rate: number;
  /** Requests at once after a rest. */
  readonly burst: number;
}

/** Milliseconds that a request may wait for its turn. */
const MAX_WAIT = 5000;

/**
 * Whether requests of this path are not counted when they come in: health checks never are, WebSockets have a rate of
 * their own (`session.perIp`), and what needs a key is counted when the key is refused.
 */
export function isExempt(pathname: string): boolean {
  switch (pathname) {
    case "/healthz":
    case "/readyz":
    case "/metrics":
    case "/stats":
    case WEBSOCKET_PATH:
      return true;
    default:
      return pathname.startsWith("/api/");
  }
}

/** The requests of all addresses. */
export class RequestRates {
  readonly #now: () => number;
  #rate: RequestRate | undefined;
  #limiter: RateLimiter = {};
  /** Requests that were refused. */
  refused = 0;

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Puts a rate in force. One that is in force already forgives no debt. */
  set(rate: RequestRate): void {
    if (rate.rate === this.#rate?.rate && rate.burst === this.#rate.burst) return;
    this.#rate = rate;
    this.#limiter = createRateLimiter({
      requests: { perAddress: { perSecond: rate.rate, burst: rate.burst } },
      maxWait: MAX_WAIT,
      now: this.#now,
    });
  }

  /** Counts a request of `address`: the milliseconds it has to wait, `Infinity` when it is refused. */
  take(address: string): number {
    const wait = this.#limiter.request?.({ hostname: address, port: 0 }, ANY) ?? 0;
    if (wait === Infinity) this.refused++;
    return wait;
  }
}

const ANY = new URL("http://any.invalid/");

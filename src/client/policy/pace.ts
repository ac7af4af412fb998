/**
 * Keeps what is sent below the rates that the server has told, so that it refuses nothing. Pure.
 *
 * @module
 */

import type { SendRates } from "../../protocol/mod.ts";

/** Share of the server's rates that is used: pings, questions and the like count there too. */
const SHARE = 0.9;

/** Tokens that count as none. */
const ROUNDING = 1e-6;

interface Bucket {
  perMs: number;
  burst: number;
  level: number;
}

/** Two token buckets, for messages and for bytes. */
export class Pace {
  #messages: Bucket | undefined;
  #bytes: Bucket | undefined;
  #at = 0;

  /** What may be sent from now on; without rates anything. Other rates than before begin with full buckets. */
  limit(rates: SendRates | undefined, now: number): void {
    this.#refill(now);
    this.#messages = bucket(this.#messages, rates?.messagesPerSecond, rates?.messageBurst);
    this.#bytes = bucket(this.#bytes, rates?.bytesPerSecond, rates?.byteBurst);
  }

  /** Takes a message of so many bytes, when it may be sent now; else the milliseconds until then. */
  take(bytes: number, now: number): number {
    this.#refill(now);
    const wait = Math.max(waitFor(this.#messages, 1), waitFor(this.#bytes, bytes));
    if (wait > 0) return wait;
    if (this.#messages !== undefined) this.#messages.level--;
    if (this.#bytes !== undefined) this.#bytes.level -= bytes;
    return 0;
  }

  #refill(now: number): void {
    for (const each of [this.#messages, this.#bytes]) {
      if (each !== undefined) each.level = Math.min(each.burst, each.level + (now - this.#at) * each.perMs);
    }
    this.#at = now;
  }
}

function bucket(before: Bucket | undefined, perSecond = 0, burst = 0): Bucket | undefined {
  if (perSecond === 0) return undefined;
  const perMs = perSecond * SHARE / 1000, most = Math.max(1, burst * SHARE);
  return before?.perMs === perMs && before.burst === most ? before : { perMs, burst: most, level: most };
}

/** What is larger than a whole burst goes when the bucket is full. */
function waitFor(from: Bucket | undefined, amount: number): number {
  if (from === undefined) return 0;
  const missing = Math.min(amount, from.burst) - from.level;
  // Sums of fractions are off by a little: who has waited as told is not sent away again for that.
  return missing <= ROUNDING ? 0 : Math.ceil(missing / from.perMs);
}

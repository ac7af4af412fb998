/**
 * When to dial again after a connection ended or an attempt failed, and when to give up.
 *
 * @module
 */

import { CLOSE_CODES } from "../../protocol/core.ts";
import type { SkeinError } from "../errors.ts";
import type { ResolvedOptions } from "../options.ts";
import { Backoff } from "../policy/backoff.ts";
import { type LinkEnd, TOKEN_CODES } from "./link.ts";
import type { Tokens } from "./tokens.ts";

/** Close codes after which the next attempt is made at once: another dial answers what the server complains of. */
const AT_ONCE: readonly number[] = [3006, 3010];
/**
 * Milliseconds before a session whose token was revoked comes back with another one, at least, and twice that at most. Tokens
 * are dated in whole seconds, so that one of the second of the revocation counts as revoked.
 */
const REVOKED = 1_000;

/** Decides about new attempts. */
export class Redial {
  readonly #options: ResolvedOptions;
  readonly #tokens: Tokens;
  readonly #backoff: Backoff;
  #attempts = 0;
  #tokenRefused = false;
  #wake: (() => void) | undefined;

  constructor(options: ResolvedOptions, tokens: Tokens) {
    this.#options = options;
    this.#tokens = tokens;
    this.#backoff = new Backoff(options.random, options.backoff);
  }

  /** The session is on a connection. */
  connected(): void {
    this.#attempts = 0;
    this.#tokenRefused = false;
  }

  /** Milliseconds to wait after a connection that lived for `ms` ended so; undefined: do not come back. */
  afterEnd(end: LinkEnd, ms: number): number | undefined {
    this.#backoff.lived(ms);
    if (end.code === CLOSE_CODES.invalid_token) {
      return this.#afterToken(REVOKED * (1 + this.#options.random()));
    }
    if (TOKEN_CODES.includes(end.code)) return this.#afterToken();
    if (!end.reconnect) return undefined;
    if (AT_ONCE.includes(end.code)) return 0;
    // A path that broke is no server that asks for patience: the first attempt is made at once.
    if (end.code < 3000 && this.#backoff.attempt === 0) return 0;
    return this.#backoff.next();
  }

  /** Milliseconds to wait after an attempt failed; undefined: give up. */
  afterFailure(error: SkeinError): number | undefined {
    if (error.error === "unauthorized") return this.#afterToken();
    if (!error.temporary && ["closed", "no_transport"].includes(error.error)) return undefined;
    if (++this.#attempts > this.#options.maxReconnectAttempts) return undefined;
    return Math.max(
      this.#backoff.next(),
      Math.min(error.retryAfter ?? 0, this.#options.backoff.max ?? Infinity),
    );
  }

  /** Waits; resolves early when woken or when `signal` is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener("abort", done);
        this.#wake = undefined;
        resolve();
      };
      const cancel = this.#options.clock.after(ms, done);
      signal.addEventListener("abort", done, { once: true });
      this.#wake = done;
    });
  }

  /** The circumstances are better, or the user wants it: try now. */
  wake(): void {
    this.#backoff.reset();
    this.#wake?.();
  }

  /** Another token is tried once; when that is refused too, it is no use to go on. */
  #afterToken(wait = 0): number | undefined {
    this.#tokens.forget();
    const isFirst = !this.#tokenRefused;
    this.#tokenRefused = true;
    return isFirst && this.#options.renewable ? wait : undefined;
  }
}

/**
 * The token of the session: asked for once at a time, kept while it is good, renewed before it ends.
 *
 * @module
 */

import { type Clock, within } from "../clock.ts";
import { SkeinError } from "../errors.ts";

/** Milliseconds `getToken` has. */
const TIMEOUT = 30_000;
/** Share of a token's life after which it is renewed. */
const RENEW_AT = 0.75;
/** Milliseconds before another attempt to renew. */
const RETRY = 10_000;
/** Longest timer a runtime takes. */
const MAX_TIMER = 2_147_483_647;

/** Gives a token; called when one is needed, never twice at once. */
export type GetToken = () => string | Promise<string>;

/** Keeps the token. */
export class Tokens {
  readonly #getToken: GetToken;
  readonly #clock: Clock;
  #token: string | undefined;
  #goodUntil = Infinity;
  #asking: Promise<string> | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(getToken: GetToken, clock: Clock) {
    this.#getToken = getToken;
    this.#clock = clock;
  }

  /** The token, asked for when there is none that will last. Rejects with `no_token`. */
  get(): Promise<string> {
    if (this.#token !== undefined && this.#clock.now() < this.#goodUntil) return Promise.resolve(this.#token);
    return this.renew();
  }

  /** Another token. Calls while one is asked for share the answer. */
  renew(): Promise<string> {
    return this.#asking ??= this.#ask().finally(() => this.#asking = undefined);
  }

  /** The token was refused: it is not used again. */
  forget(): void {
    this.#token = undefined;
  }

  /**
   * The server accepted the token for `seconds` more (null: for ever): `renewing` is called once, in time to replace
   * it on the live connection. Whatever was to be called before is not.
   */
  accepted(seconds: number | null, renewing: () => Promise<void>): void {
    this.stop();
    if (seconds === null) {
      this.#goodUntil = Infinity;
      return;
    }
    const now = this.#clock.now();
    this.#goodUntil = now + seconds * 1000 * RENEW_AT;
    this.#schedule(Math.max(1000, this.#goodUntil - now), renewing);
  }

  /** Nothing is renewed any more, until `accepted` is called again. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #schedule(ms: number, renewing: () => Promise<void>): void {
    this.#cancelTimer = this.#clock.after(Math.min(ms, MAX_TIMER), () => {
      this.#cancelTimer = undefined;
      if (ms > MAX_TIMER) return this.#schedule(ms - MAX_TIMER, renewing);
      renewing().catch(() => {
        if (this.#cancelTimer === undefined) this.#schedule(RETRY, renewing);
      });
    });
  }

  async #ask(): Promise<string> {
    const late = () =>
      new SkeinError("no_token", `getToken() gave no token within ${TIMEOUT} ms`, { temporary: true });
    let token: unknown;
    try {
      token = await within(this.#clock, TIMEOUT, Promise.resolve().then(() => this.#getToken()), late);
    } catch (cause) {
      if (cause instanceof SkeinError) throw cause;
      throw new SkeinError("no_token", "getToken() failed", { cause, temporary: true });
    }
    if (typeof token !== "string" || token === "") {
      throw new SkeinError("no_token", "getToken() gave no token", { temporary: true });
    }
    this.#token = token;
    this.#goodUntil = Infinity;
    return token;
  }
}

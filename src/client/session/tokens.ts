/**
 * The token of the session: asked for once at a time, kept while it is good.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import type { Clock } from "../clock.ts";
import { SkeinError } from "../errors.ts";

/** Milliseconds `getToken` has. */
const TIMEOUT = 30_000;
/** Gives a token; called when one is needed, never twice at once. */
export type GetToken = () => string | Promise<string>;

/** Keeps the token. */
export class Tokens {
  readonly #getToken: GetToken;
  readonly #clock: Clock;
  #token: string | undefined;
  #goodUntil = Infinity;
  #asking: Promise<string> | undefined;
  readonly #over = new AbortController();

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

  /** The token is good for `ms` more; then another one is asked for. */
  goodFor(ms: number): void {
    this.#goodUntil = this.#clock.now() + ms;
  }

  /** Nobody waits for a token any more. */
  close(): void {
    this.#over.abort(SkeinError.closed());
  }

  async #ask(): Promise<string> {
    const late = () => SkeinError.temporary("no_token", `getToken() gave no token within ${TIMEOUT} ms`);
    let token: unknown;
    try {
      token = await deadline(Promise.resolve().then(() => this.#getToken()), TIMEOUT, late, {
        timers: this.#clock,
        signal: this.#over.signal,
      });
    } catch (cause) {
      if (cause instanceof SkeinError) throw cause;
      throw new SkeinError("no_token", "getToken() failed", { cause, temporary: true });
    }
    if (typeof token !== "string" || token === "") {
      throw SkeinError.temporary("no_token", "getToken() gave no token");
    }
    this.#token = token;
    this.#goodUntil = Infinity;
    return token;
  }
}

/** Whose token it is, as far as it can be read; undefined: the server will say. */
export function subjectOf(token: string): string | undefined {
  try {
    const claims = atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/"));
    return (JSON.parse(claims) as { sub?: string }).sub;
  } catch {
    return undefined;
  }
}

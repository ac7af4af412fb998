/**
 * Renews the token on the live connection: in time, and when the server says that it is about to end.
 *
 * @module
 */

import type { Message } from "../../protocol/core.ts";
import type { Clock } from "../clock.ts";
import { SkeinError } from "../errors.ts";
import type { Link } from "./link.ts";
import type { SessionPart } from "./part.ts";
import type { Requests } from "./requests.ts";
import type { Tokens } from "./tokens.ts";

/** Share of a token's life after which it is renewed. */
const RENEW_AT = 0.75;
/** Milliseconds before another attempt to renew. */
const RETRY = 10_000;
/** Longest timer a runtime takes. */
const MAX_TIMER = 2_147_483_647;

/** Renews the token. */
export class Renewal implements SessionPart {
  readonly #tokens: Tokens;
  readonly #requests: Requests;
  readonly #clock: Clock;
  readonly #isRenewable: boolean;
  readonly #failed: (error: SkeinError) => void;
  #isConnected = false;
  #cancel: (() => void) | undefined;

  /** `isRenewable`: another token can be had. `failed` is told when one could not. */
  constructor(
    tokens: Tokens,
    requests: Requests,
    clock: Clock,
    isRenewable: boolean,
    failed: (error: SkeinError) => void,
  ) {
    this.#tokens = tokens;
    this.#requests = requests;
    this.#clock = clock;
    this.#isRenewable = isRenewable;
    this.#failed = failed;
  }

  attach({ response }: Link): void {
    this.#isConnected = true;
    this.#accepted(response.expiresIn);
  }

  detach(): void {
    this.#isConnected = false;
  }

  take({ type, payload }: Message): boolean {
    if (type !== "server_notice" || payload.kind !== "token_expiring") return false;
    this.#renew().catch((cause) =>
      this.#failed(new SkeinError("no_token", "the token could not be renewed", { cause }))
    );
    return true;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The server accepted the token for `seconds` more; null: for ever. */
  #accepted(seconds: number | null): void {
    this.stop();
    const ms = seconds === null ? Infinity : seconds * 1000 * RENEW_AT;
    this.#tokens.goodFor(ms);
    if (seconds !== null) this.#schedule(Math.max(1000, ms));
  }

  #schedule(ms: number): void {
    this.#cancel = this.#clock.after(Math.min(ms, MAX_TIMER), () => {
      this.#cancel = undefined;
      if (ms > MAX_TIMER) return this.#schedule(ms - MAX_TIMER);
      this.#renew().catch(() => {
        if (this.#cancel === undefined) this.#schedule(RETRY);
      });
    });
  }

  async #renew(): Promise<void> {
    if (!this.#isRenewable) return;
    const token = await this.#tokens.renew();
    if (!this.#isConnected) return;
    const { expiresIn } = await this.#requests.ask("auth_refresh", { token });
    this.#accepted(expiresIn);
  }
}

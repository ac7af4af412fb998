/**
 * Ends the connections of tokens that were revoked and of users who were blocked, on all nodes.
 *
 * @module
 */

import type { Hub } from "../../hub/mod.ts";
import type { Payload } from "../../protocol/mod.ts";
import type { Sessions } from "../../session/mod.ts";
import { selects, type TokenSelector } from "../tokens/revocations.ts";

/** Milliseconds in which a handshake that was accepted before a revocation has become a connection. */
const LATE = 15_000;
/** Selections that are looked at again; the oldest gives way. */
const MAX_RECENT = 10_000;
const END = "api_end";

/** Ends connections by their tokens. */
export class TokenEnds {
  readonly #hub: Hub;
  readonly #sessions: Sessions;
  /** What was ended lately, and until when it is looked for again. */
  readonly #recent = new Map<TokenSelector, number>();

  constructor(hub: Hub, sessions: Sessions) {
    this.#hub = hub;
    this.#sessions = sessions;
    hub.nodes.handle(END, (selector) => ({ done: this.#here(selector) }));
  }

  /** Ends them everywhere; resolves with how many. Rejects with ProtocolError `not_available`. */
  async end(selector: TokenSelector & Payload): Promise<number> {
    const own = this.#here(selector);
    const others = await this.#hub.nodes.askOthers(END, selector) as { done: number }[];
    return others.reduce((sum, { done }) => sum + done, own);
  }

  /** Ends those whose token was checked just before it was revoked. To be called once a second. */
  sweep(): void {
    const now = performance.now();
    for (const [selector, until] of this.#recent) {
      this.#close(selector);
      if (now > until) this.#recent.delete(selector);
    }
  }

  /** A user who may come again may be on the way already. */
  forget(user: string): void {
    for (const selector of this.#recent.keys()) {
      if (selector.user === user && selector.issuedBefore === undefined) this.#recent.delete(selector);
    }
  }

  #here(selector: TokenSelector): number {
    if (this.#recent.size >= MAX_RECENT) this.#recent.delete(this.#recent.keys().next().value!);
    this.#recent.set(selector, performance.now() + LATE);
    return this.#close(selector);
  }

  #close(selector: TokenSelector): number {
    return this.#sessions.endTokens((principal) => selects(selector, principal), "the token was revoked");
  }
}

/**
 * How hooks are asked before something happens: one after another, each within a deadline. The same for publications,
 * connections and subscriptions.
 *
 * @module
 */

import { deadline } from "../async/deadline.ts";
import type { MaybePromise } from "../engine/contract.ts";
import { ProtocolError } from "../protocol/mod.ts";

/** How the hooks `H` are asked about a subject `S`. */
export interface AskingParts<H, S> {
  /** Asks one hook. It refuses by throwing or rejecting with ProtocolError. */
  ask(hook: H, subject: S): MaybePromise<void>;
  /** Tells a hook that had agreed that another one refused. @default nobody is told */
  refused?(hook: H, subject: S, error: unknown): void;
  /** Milliseconds that one hook may take; then it counts as having refused with `not_available`. */
  readonly patience: number;
  /** Told of hooks that were late; `stage` is `hook NAME`. */
  readonly failed: (error: unknown, stage: string) => void;
}

/** Asks hooks in turn. While all of them answer at once, so does this. */
export class Asking<H extends { readonly name: string }, S> {
  readonly #parts: AskingParts<H, S>;

  constructor(parts: AskingParts<H, S>) {
    this.#parts = parts;
  }

  /** Asks `hooks` in turn, beginning with the one at `from`. Throws or rejects with the error of the first that refuses. */
  ask(hooks: readonly H[], subject: S, from = 0): MaybePromise<void> {
    for (let at = from; at < hooks.length; at++) {
      let asked: MaybePromise<void>;
      try {
        asked = this.#parts.ask(hooks[at]!, subject);
      } catch (error) {
        this.#tell(hooks, subject, error, at);
        throw error;
      }
      if (asked instanceof Promise) return this.#later(hooks, subject, asked, at);
    }
  }

  #later(hooks: readonly H[], subject: S, asked: Promise<void>, at: number): Promise<void> {
    const hook = hooks[at]!;
    const { patience, failed } = this.#parts;
    const late = (): ProtocolError => {
      const error = new ProtocolError("not_available", `the hook ${hook.name} did not answer in time`);
      failed(error, `hook ${hook.name}`);
      // It may agree to something that is refused already.
      asked.then(() => this.#tell([hook], subject, error, 1), () => {});
      return error;
    };
    return deadline(asked, patience, late).then(
      () => this.ask(hooks, subject, at + 1),
      (error) => {
        this.#tell(hooks, subject, error, at);
        throw error;
      },
    );
  }

  #tell(hooks: readonly H[], subject: S, error: unknown, count: number): void {
    for (let at = 0; at < count; at++) this.#parts.refused?.(hooks[at]!, subject, error);
  }
}

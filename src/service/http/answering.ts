/**
 * Requests that are being answered, whatever carried them.
 *
 * @module
 */

import { settles } from "../../async/deadline.ts";
import type { Timers } from "../../async/timers.ts";
import { Underway } from "../../async/underway.ts";
import type { FetchHandler } from "./deps.ts";

/** Milliseconds for what is being answered when its listeners have ended. */
const PATIENCE = 1000;

/** Knows what is being answered: a listener ends the connections, and the work for them goes on. */
export class Answering {
  readonly #underway = new Underway();
  readonly #timers: Timers | undefined;

  /** @param timers @default the runtime's */
  constructor(timers?: Timers) {
    this.#timers = timers;
  }

  /** The handler, whose work is known from then on. */
  of(handler: FetchHandler): FetchHandler {
    return (request, info) => {
      const answer = handler(request, info);
      return answer instanceof Promise ? this.#underway.add(answer) : answer;
    };
  }

  /** Resolves when nothing is being answered any more, or after a second: nobody waits for such an answer. */
  async over(): Promise<void> {
    await settles(
      this.#underway.over(),
      PATIENCE,
      this.#timers === undefined ? {} : { timers: this.#timers },
    );
  }
}

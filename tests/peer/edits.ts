/**
 * Somebody who types: random changes of a text, the same for the same seed.
 *
 * @module
 */

import type * as Y from "yjs";

/** How somebody types. */
export interface Typing {
  readonly times: number;
  /** Milliseconds between two changes. */
  readonly pause: number;
  readonly seed: number;
}

/** Types. */
export async function edit(text: Y.Text, { times, pause, seed }: Typing): Promise<void> {
  let state = seed;
  for (let i = 0; i < times; i++) {
    // A generator of its own, so that a run can be repeated.
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const at = text.length === 0 ? 0 : state % text.length;
    if (state % 4 === 0 && text.length > 20) text.delete(at, Math.min(3, text.length - at));
    else text.insert(at, `${state % 100} `);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

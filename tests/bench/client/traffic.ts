/**
 * The messages of the client's scenarios, the same for both sides.
 *
 * @module
 */

/** Messages of one scenario. */
export const MESSAGES = 50_000;
/** The channel all talk in. */
export const CHANNEL = "chat:bench";
/** Text of a message. */
export const TEXT = "a".repeat(128);
/** Messages that come together, as from people who talk at once. */
const BURST = 10;
/** Milliseconds between bursts. */
const EVERY = 2;

/** Calls `send` `count` times, in bursts; resolves when the last one is out. */
export async function bursts(count: number, send: () => void): Promise<void> {
  for (let done = 0; done < count; done += BURST) {
    for (let i = 0; i < BURST && done + i < count; i++) send();
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

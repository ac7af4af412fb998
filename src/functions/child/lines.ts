/**
 * How many lines of an isolate reach the service.
 *
 * @module
 */

/** A line on its way to the service. `dropped`: it stands for so many others. */
export type SendLine = (level: string, text: () => string, dropped?: number) => void;

/** Lines a second that go through, and at once after a silence. */
const RATE = 50;
const BURST = 200;
/** Milliseconds until those that were dropped are told of, when no line goes through before. */
const SOON = 1000;

/**
 * Limits lines. It does so where they are printed: each line that leaves costs the service, which has one thread for
 * everybody. What is dropped is not even formatted.
 */
export function limitedLines(send: (level: string, text: string, dropped?: number) => void): SendLine {
  // Kept before the function runs.
  const { setTimeout } = globalThis, now = performance.now.bind(performance);
  let tokens = BURST, at = now(), dropped = 0, isTimed = false;
  const tell = (): void => {
    const count = dropped;
    dropped = 0;
    if (count > 0) send("warn", `${count} ${count === 1 ? "line was" : "lines were"} dropped`, count);
  };
  return (level, text) => {
    const moment = now();
    tokens = Math.min(BURST, tokens + (moment - at) * RATE / 1000);
    at = moment;
    if (tokens < 1) {
      dropped++;
      if (isTimed) return;
      isTimed = true;
      setTimeout(() => {
        isTimed = false;
        tell();
      }, SOON);
      return;
    }
    tokens--;
    tell();
    send(level, text());
  };
}

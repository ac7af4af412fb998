/**
 * What has to be told to the service anew with each connection.
 *
 * @module
 */

import type { SkeinClient } from "./client.ts";
import type { Clock } from "./clock.ts";

/** Milliseconds before it is tried again: the first time, and at most. */
const PAUSE = { first: 2_000, most: 300_000 };

/**
 * Calls `act` now, if there is a connection, and whenever the client connects. When it rejects it is called again after a
 * while, longer each time, as long as the client is connected: an answer that did not come in time must not mean that the
 * service never knows. One call at a time. `failed` is told of each failure. Returns what ends it.
 */
export function eachConnection(
  client: Pick<SkeinClient, "on" | "manager">,
  clock: Clock,
  act: () => Promise<void>,
  failed: (error: unknown) => void,
  also: (again: () => void) => () => void = () => () => {},
): () => void {
  let isRunning = false, isStale = false, hasEnded = false, failures = 0;
  let cancel = (): void => {};
  const run = async (): Promise<void> => {
    isRunning = true;
    try {
      do {
        isStale = false;
        await act();
      } while (isStale && !hasEnded);
      failures = 0;
    } catch (error) {
      if (!hasEnded) failed(error);
      const pause = Math.min(PAUSE.most, PAUSE.first * 2 ** Math.min(failures++, 10));
      // Not all devices at once, when the service was slow for all of them.
      if (!hasEnded) cancel = clock.after(isStale ? 0 : pause * (1 - Math.random() / 4), again);
    } finally {
      isRunning = false;
    }
  };
  const again = (): void => {
    // Without a connection the next one is waited for.
    if (!hasEnded && client.manager.isConnected()) start();
  };
  const start = (): void => {
    cancel();
    isStale = isRunning;
    if (!isRunning) void run();
  };
  const offs = [client.on("connected", start), also(again)];
  again();
  return () => {
    hasEnded = true;
    cancel();
    for (const off of offs) off();
  };
}

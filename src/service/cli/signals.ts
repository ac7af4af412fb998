/**
 * Signals of the operating system to a running service.
 *
 * @module
 */

import type { Logger } from "../log/mod.ts";
import { EXIT } from "./command.ts";

/** A running service. */
export interface Running {
  /** Resolves when the service has ended; rejects when it ended by a failure. */
  readonly finished: Promise<void>;
  /** Begins the shutdown, which has its own deadline. */
  shutdown(reason: string): Promise<void>;
  /** Reads the configuration again and reports what is wrong with it. */
  reload(): Promise<boolean>;
}

/** Signals that ask for an end. */
const ENDING = ["SIGTERM", "SIGINT"] as const satisfies readonly Deno.Signal[];

/**
 * Waits for the end. SIGHUP reloads the configuration; the first SIGTERM or SIGINT begins an orderly one, the second ends the process at
 * once. Resolves with the exit code.
 */
export async function untilSignalled(service: Running, log: Logger): Promise<number> {
  let asked = false;
  const failed = (error: unknown) => log.error("could not shut down", { error });
  const handlers: { signal: Deno.Signal; handler: () => void }[] = ENDING.map((signal) => {
    const handler = () => {
      if (asked) {
        log.warn("ending at once", { signal });
        Deno.exit(EXIT.failed);
      }
      asked = true;
      service.shutdown(signal).catch(failed);
    };
    return { signal, handler };
  });
  handlers.push({
    signal: "SIGHUP",
    handler: () => void service.reload().catch((error) => log.error("could not reload", { error })),
  });
  for (const { signal, handler } of handlers) Deno.addSignalListener(signal, handler);
  try {
    await service.finished;
    return EXIT.ok;
  } catch (error) {
    log.error("ended by a failure", { error });
    return EXIT.failed;
  } finally {
    for (const { signal, handler } of handlers) Deno.removeSignalListener(signal, handler);
  }
}

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

/**
 * Milliseconds after a first signal in which others are ignored. One Ctrl-C under `deno task` comes twice: from the
 * terminal, and from the task that passes its own on.
 */
const REPEATED = 500;

/**
 * Waits for the end. The first SIGTERM or SIGINT begins a shutdown, a later one ends the process at once. SIGHUP reloads
 * the configuration; with a terminal it means that the terminal was closed, and ends the service as well.
 * `terminal` is whether the process was started in one. Resolves with the exit code.
 */
export async function untilSignalled(
  service: Running,
  log: Logger,
  terminal: boolean = inTerminal(),
): Promise<number> {
  const ending: Deno.Signal[] = terminal ? ["SIGTERM", "SIGINT", "SIGHUP"] : ["SIGTERM", "SIGINT"];
  let asked: number | undefined;
  const failed = (error: unknown) => log.error("could not shut down", { error });
  const handlers: { signal: Deno.Signal; handler: () => void }[] = ending.map((signal) => {
    const handler = () => {
      const now = performance.now();
      if (asked === undefined) {
        asked = now;
        service.shutdown(signal).catch(failed);
      } else if (now - asked >= REPEATED) {
        log.warn("ending at once", { signal });
        Deno.exit(EXIT.failed);
      }
    };
    return { signal, handler };
  });
  if (!terminal) {
    handlers.push({
      signal: "SIGHUP",
      handler: () => void service.reload().catch((error) => log.error("could not reload", { error })),
    });
  }
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

function inTerminal(): boolean {
  try {
    return Deno.stdin.isTerminal() || Deno.stdout.isTerminal() || Deno.stderr.isTerminal();
  } catch {
    return false;
  }
}

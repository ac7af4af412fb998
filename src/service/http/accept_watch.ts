/**
 * Finds out whether a listener still accepts. The runtime's loop ends for good, without a word, when it finds no free
 * descriptor; what ends it otherwise shows in the same way.
 *
 * @module
 */

import { delay, settles } from "../../async/deadline.ts";

/** What the watch needs of a listener. */
export interface Watched {
  where(): { readonly hostname: string; readonly port: number };
  /** Binds the port again; connections go on. Rejects when that cannot be done now. */
  restart(): Promise<void>;
}

/** Milliseconds an attempt has to be accepted. */
const PATIENCE = 3000;
/** Milliseconds between two looks whether it was. */
const LOOK = 20;

/** Watches one listener. */
export class AcceptWatch {
  readonly #watched: Watched;
  readonly #ended = new AbortController();
  #accepted = 0;
  #seen = 0;
  #checking: Promise<boolean> | undefined;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /** To be called for each connection that was accepted. */
  accepted(): void {
    this.#accepted++;
  }

  /**
   * Restarts the listener if it does not accept a connection of our own; returns whether it had to. Rejects with what
   * keeps it from listening. One that accepted something since the last check is not tried.
   */
  async check(patience: number = PATIENCE): Promise<boolean> {
    if (this.#checking !== undefined || this.#ended.signal.aborted) return false;
    try {
      return await (this.#checking = this.#check(patience));
    } finally {
      this.#checking = undefined;
    }
  }

  /** Ends it: the listener is not restarted any more. Resolves when no check is under way. Never rejects. */
  async close(): Promise<void> {
    this.#ended.abort();
    await this.#checking?.catch(() => {});
  }

  async #check(patience: number): Promise<boolean> {
    const isQuiet = this.#accepted === this.#seen;
    const isAccepting = !isQuiet || await this.#tryOut(patience);
    // Connections of our own say nothing about the time until the next check.
    this.#seen = this.#accepted;
    if (isAccepting || this.#ended.signal.aborted) return false;
    await this.#watched.restart();
    return true;
  }

  async #tryOut(patience: number): Promise<boolean> {
    const { hostname, port } = this.#watched.where();
    const before = this.#accepted;
    const until = performance.now() + patience;
    // It rejects when the port refuses, or when no descriptor is left for the attempt. A signal would be of no use: the
    // runtime loses a connection that is there when the signal aborts.
    const attempt = Deno.connect({ hostname: reachable(hostname), port }).catch(() => undefined);
    while (this.#accepted === before && !this.#ended.signal.aborted && performance.now() < until) {
      await delay(LOOK);
    }
    // One that nobody answers ends by itself, later.
    await settles(attempt.then((connection) => connection?.close()), LOOK);
    return this.#accepted !== before;
  }
}

function reachable(hostname: string): string {
  if (hostname === "::") return "::1";
  return hostname === "0.0.0.0" ? "127.0.0.1" : hostname;
}

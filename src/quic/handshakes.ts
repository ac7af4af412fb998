/**
 * Handshakes that are under way. Anybody can begin them with a forged address, so they are short-lived and bounded.
 *
 * @module
 */

import { QuicError } from "./errors.ts";
import { H3 } from "./h3/errors.ts";
import { afterTurn } from "./turn.ts";

/** Handshakes of a listener. */
export class Handshakes {
  /** Gives one up; the oldest first. */
  readonly #pending = new Set<(reason: string) => void>();

  /** How many are under way. */
  get size(): number {
    return this.#pending.size;
  }

  /**
   * Resolves with the milliseconds a handshake took. Rejects when it fails, takes longer than `timeout` milliseconds, or
   * is the oldest when another one begins above `limit`; the connection is closed then.
   */
  wait(conn: Deno.QuicConn, timeout: number, limit: number): Promise<number> {
    const began = performance.now();
    // A flood of new handshakes must not keep out peers that finish theirs: what is oldest is the least likely to.
    for (const giveUp of this.#pending) {
      if (this.#pending.size < limit) break;
      giveUp("gave way to a newer handshake");
    }
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        clearTimeout(timer);
        this.#pending.delete(giveUp);
      };
      const giveUp = (reason: string): void => {
        settled();
        reject(new QuicError("timeout", reason));
        conn.close({ closeCode: H3.NO_ERROR, reason: "handshake given up" });
      };
      const timer = setTimeout(() => giveUp(`no handshake within ${timeout} ms`), timeout);
      this.#pending.add(giveUp);
      conn.closed.then(
        ({ reason }) => reject(new QuicError("dial_failed", `closed in its handshake: ${reason}`)),
        reject,
      )
        .finally(settled);
      // Deno resolves this also when the peer gives up, and `closed` rejects a turn later.
      conn.handshake.then(() => afterTurn(() => resolve(performance.now() - began)), reject).finally(
        settled,
      );
    });
  }
}

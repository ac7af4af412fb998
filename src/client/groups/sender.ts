/**
 * What this device says in the log of a group: its commit, the welcomes of those that count, its changes anew after
 * somebody else was faster.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import type { Document } from "../documents/document.ts";
import { encodeEntry, type EntryKind } from "./entries.ts";
import type { Intents } from "./intents.ts";
import type { Ledger } from "./ledger.ts";

/** What the sender needs of the group. */
export interface SenderPort {
  readonly ledger: Ledger;
  readonly intents: Intents;
  readonly document: Document;
  readonly clock: Clock;
  /** Resolves when what is known now survives a crash: nothing is said before that. */
  save(): Promise<void>;
  /** Runs `act` after all that is being done. */
  run(act: () => Promise<void>): void;
  failed(error: unknown): void;
}

/** Milliseconds before another attempt: after the first lost one, and at most; after something could not be sent. */
const BACKOFF = { first: 100, most: 3000, refused: 5000 };

/** Says what has to be said. */
export class GroupSender {
  readonly #port: SenderPort;
  /** What is on its way, in words of the ledger. */
  readonly #flying = new Set<Uint8Array>();
  /** The commit that survives a crash. */
  #saved: Uint8Array | undefined;
  #lost = 0;
  #cancel: (() => void) | undefined;

  constructor(port: SenderPort) {
    this.#port = port;
  }

  /** Says whatever is to be said now. To be called within `run`. */
  async pump(): Promise<void> {
    const { ledger, intents } = this.#port;
    for (const welcome of ledger.welcomes) {
      this.#send("welcome", welcome, () => {
        const at = ledger.welcomes.indexOf(welcome);
        if (at >= 0) ledger.welcomes.splice(at, 1);
        return this.#port.save();
      });
    }
    const { membership } = ledger;
    if (membership === undefined) return;
    if (ledger.pending === undefined) {
      if (this.#cancel !== undefined) return;
      const changes = intents.next(membership.leaves());
      if (changes === undefined) return;
      try {
        await ledger.prepare(changes);
      } catch (error) {
        return intents.failed(error);
      }
    }
    const { commit } = ledger.pending!;
    if (this.#saved !== commit) {
      // Said twice in one epoch with other words, after a crash, it would be sealed twice with one key.
      await this.#port.save();
      this.#saved = commit;
    }
    this.#send("commit", commit, () => Promise.resolve());
  }

  /** The log has decided about the own commit. */
  decided(own: boolean): void {
    if (own) {
      this.#lost = 0;
      this.#port.intents.won();
    } else if (this.#port.intents.waiting) {
      // All who have lost would be first again at the same time.
      const wait = Math.random() * Math.min(BACKOFF.most, BACKOFF.first * 2 ** Math.min(this.#lost++, 8));
      this.#later(wait);
    }
  }

  #later(ms: number): void {
    this.#cancel ??= this.#port.clock.after(ms, () => {
      this.#cancel = undefined;
      this.#port.run(() => this.pump());
    });
  }

  /** Not waited for: without a connection it stays in the client's outbox. */
  #send(kind: EntryKind, body: Uint8Array, sent: () => Promise<void>): void {
    if (this.#flying.has(body)) return;
    this.#flying.add(body);
    this.#port.document.send(encodeEntry(kind, body)).then(
      () => this.#port.run(sent),
      (error) => {
        this.#port.failed(error);
        // A commit may have been kept although it was answered with an error: it is said again, not another one.
        this.#later(BACKOFF.refused);
      },
    ).finally(() => this.#flying.delete(body));
  }
}

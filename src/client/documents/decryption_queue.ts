/**
 * What came, told one after the other: opening what is sealed takes time, and nothing may overtake anything.
 *
 * @module
 */

import type { Cipher, SealedKind } from "./encryption.ts";

/** Something to tell, sealed or not. */
export type Sealed = readonly [kind: SealedKind, data: Uint8Array];

/** Called with what was sealed, opened; undefined when there was nothing, or it could not be opened. */
export type Use = (data: Uint8Array | undefined) => void | Promise<void>;

/** Tells what came, in order. Where nothing is encrypted it is told at once. */
export class DecryptionQueue {
  readonly #channel: string;
  readonly #key: Cipher | undefined;
  readonly #failed: (error: unknown) => void;
  #last: Promise<void> = Promise.resolve();
  /** Something of the document's content could not be opened since it began. */
  unreadable = false;
  /** Nothing is told any more. */
  ended = false;

  constructor(channel: string, key: Cipher | undefined, failed: (error: unknown) => void) {
    this.#channel = channel;
    this.#key = key;
    this.#failed = failed;
  }

  /** Tells something after all before it. */
  tell(sealed: Sealed | undefined, use: Use): void {
    if (this.#key === undefined) void use(sealed?.[1]);
    else this.#last = this.#last.then(() => this.now(sealed, use));
  }

  /** Tells something as a part of what is being told. Never rejects. */
  async now(sealed: Sealed | undefined, use: Use): Promise<void> {
    let data = sealed?.[1];
    if (sealed !== undefined && this.#key !== undefined) {
      try {
        data = await this.#key.open(sealed[0], this.#channel, sealed[1]);
      } catch (error) {
        data = undefined;
        if (sealed[0] !== "awareness") this.unreadable = true;
        this.#failed(error);
      }
    }
    if (this.ended) return;
    try {
      await use(data);
    } catch (error) {
      this.#failed(error);
    }
  }
}

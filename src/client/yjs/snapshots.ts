/**
 * Snapshots of a Yjs document, one at a time.
 *
 * @module
 */

import type { Document } from "../documents/document.ts";
import { SkeinError } from "../errors.ts";

/** Makes snapshots for the service. */
export class Snapshots {
  readonly #document: Document;
  readonly #refused: (error: SkeinError) => void;
  #isRunning = false;
  /** One that the service did not take for its size. A larger one is not sent. */
  #tooLarge: { readonly size: number; readonly error: SkeinError } | undefined;

  /** `refused` is called when the document is larger than the service takes. */
  constructor(document: Document, refused: (error: SkeinError) => void) {
    this.#document = document;
    this.#refused = refused;
  }

  /** The service has begun anew, and may take more than before. */
  clear(): void {
    this.#tooLarge = undefined;
  }

  /** Sends what `encode` makes. Resolves with its offset when the service keeps it. */
  async make(encode: () => Uint8Array): Promise<number | undefined> {
    if (this.#isRunning) return undefined;
    this.#isRunning = true;
    try {
      const data = encode();
      const { position } = this.#document;
      return await this.#send(data) ? position?.offset : undefined;
    } catch {
      // Another one is made when as many operations have come again.
      return undefined;
    } finally {
      this.#isRunning = false;
    }
  }

  async #send(data: Uint8Array): Promise<boolean> {
    const size = data.length;
    try {
      if (this.#tooLarge !== undefined && size >= this.#tooLarge.size) throw this.#tooLarge.error;
      return await this.#document.snapshot(data);
    } catch (error) {
      if (error instanceof SkeinError && error.error === "doc_snapshot_too_large") {
        this.#tooLarge = { size, error };
        this.#refused(error);
      }
      throw error;
    }
  }
}

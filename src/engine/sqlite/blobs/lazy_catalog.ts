/**
 * The catalogue of a directory, opened when the first file comes, and the removals that nobody waits for.
 *
 * @module
 */

import { ProtocolError } from "../../../protocol/mod.ts";
import type { MaybePromise } from "../../contract.ts";
import { Catalog } from "./catalog.ts";
import type { Disk } from "./disk.ts";

/** A catalogue that is opened when it is needed: a service without files makes no directory. */
export class LazyCatalog {
  readonly #disk: Disk;
  readonly #failed: (error: unknown, stage: string) => void;
  #opening: Promise<Catalog> | undefined;
  #catalog: Catalog | undefined;
  #removing: Promise<void> = Promise.resolve();
  #ended = false;

  /** `failed` is told of removals that fail. */
  constructor(disk: Disk, failed: (error: unknown, stage: string) => void) {
    this.#disk = disk;
    this.#failed = failed;
  }

  /** The catalogue, while it is open. */
  get current(): Catalog | undefined {
    return this.#catalog;
  }

  /**
   * Runs `work` with the catalogue: at once when it is open, else after opening it. Rejects with ProtocolError
   * `not_available` after `end`, and with what the file system says when it cannot be opened; the next call tries again.
   */
  use<T>(work: (catalog: Catalog) => MaybePromise<T>): MaybePromise<T> {
    if (this.#ended) throw new ProtocolError("not_available", "shutting down");
    if (this.#catalog !== undefined) return work(this.#catalog);
    this.#opening ??= this.#open().catch((error) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening.then(work);
  }

  /** Lets a removal run on its own. `close` waits for it. */
  remove(work: Promise<void>): void {
    const reported = work.catch((error) => this.#failed(error, "remove file"));
    this.#removing = Promise.allSettled([this.#removing, reported]).then(() => {});
  }

  /** Resolves once the removals so far are over. */
  removed(): Promise<void> {
    return this.#removing;
  }

  /** Refuses further use. Resolves once nothing is being opened. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#opening?.catch(() => {});
  }

  /** Waits for the removals, and closes the catalogue. */
  async close(): Promise<void> {
    for (let seen; seen !== this.#removing;) await (seen = this.#removing);
    this.#catalog?.close();
    this.#catalog = undefined;
  }

  async #open(): Promise<Catalog> {
    await this.#disk.prepare();
    const catalog = new Catalog(this.#disk.catalog);
    try {
      for (const { key, sha256, size } of catalog.unplaced()) this.#disk.recover(key, sha256, size);
    } catch (error) {
      catalog.close();
      throw error;
    }
    this.#catalog = catalog;
    this.remove(this.#disk.tidy({
      partial: (key) => this.#ended || catalog.partial(key) !== undefined,
      blob: (sha256) => this.#ended || catalog.has(sha256),
    }));
    return catalog;
  }
}

/**
 * The catalog of a directory, opened when the first file comes, and the removals that nobody waits for.
 *
 * @module
 */

import { ProtocolError } from "../protocol/mod.ts";
import { Catalog } from "./catalog.ts";
import type { Disk } from "./disk.ts";

/** What a catalog is opened with. */
export interface LazyCatalogOptions {
  readonly disk: Disk;
  /** Reports why the catalog cannot be opened, and makes the error that callers get. */
  readonly unavailable: (cause: unknown, stage: string) => ProtocolError;
  /** Told of removals that fail. */
  readonly failed: (error: unknown, stage: string) => void;
}

/** A catalog that is opened once it is needed. */
export class LazyCatalog {
  readonly #options: LazyCatalogOptions;
  #opening: Promise<Catalog> | undefined;
  #catalog: Catalog | undefined;
  #removing: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(options: LazyCatalogOptions) {
    this.#options = options;
  }

  /** The catalog, while it is open. */
  get current(): Catalog | undefined {
    return this.#catalog;
  }

  /** Whether `end` was called. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The open catalog. Rejects with ProtocolError `not_available`; the next call tries again. */
  ready(): Promise<Catalog> {
    if (this.#ended) return Promise.reject(new ProtocolError("not_available", "shutting down"));
    return this.#opening ??= this.#open().catch((error) => {
      this.#opening = undefined;
      throw this.#options.unavailable(error, "open store");
    });
  }

  /** Lets a removal go on by itself; `close` waits for it. */
  remove(work: Promise<void>): void {
    const reported = work.catch((error) => this.#options.failed(error, "remove file"));
    this.#removing = Promise.allSettled([this.#removing, reported]).then(() => {});
  }

  /** `ready` rejects from now on. Resolves once nothing is being opened. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#opening?.catch(() => {});
  }

  /** Resolves once all removals are done. */
  removed(): Promise<void> {
    return this.#removing;
  }

  /** Closes the catalog. */
  close(): void {
    this.#catalog?.close();
    this.#catalog = undefined;
  }

  async #open(): Promise<Catalog> {
    const { disk } = this.#options;
    await disk.prepare();
    const catalog = this.#catalog = new Catalog(disk.catalog);
    this.remove(disk.tidy({
      partial: (key) => this.#ended || catalog.partial(key) !== undefined,
      blob: (sha256) => this.#ended || catalog.has(sha256),
    }));
    return catalog;
  }
}

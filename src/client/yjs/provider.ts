/**
 * A Yjs document kept in step with a Skein document: changes both ways, what was made offline, who is there, and
 * snapshots so that operations need not be kept for ever.
 *
 * @module
 */

import { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";
import { type Deferred, quietDeferred } from "../../async/deferred.ts";
import type { Document } from "../documents/document.ts";
import { Emitter, type Listener } from "../emitter.ts";
import { SkeinError } from "../errors.ts";
import { yjsOf } from "./copies.ts";
import { Exchange } from "./exchange.ts";
import type { View } from "./view.ts";

/** Options of a provider. */
export interface YjsProviderOptions {
  /** Who is there and what they do; `null` leaves it out. @default a new one for the document */
  readonly awareness?: Awareness | null;
  /**
   * A snapshot is made each time so many operations have come, by whoever sent the last of them. Of several providers of
   * one document the first one's counts. @default 500
   */
  readonly compactAfter?: number;
}

/** Events of a provider. */
export interface YjsProviderEvents {
  /**
   * Whether the document is in step with the server, apart from what is on its way. False with a connection too while
   * something was refused that the server lacks: the document's `error` says why.
   */
  synced: boolean;
  /** A snapshot was kept by the server. */
  compacted: { readonly offset: number };
}

/**
 * Connects a `Y.Doc` to a document of the service. Several may be connected to one document at once: they have the same
 * content, also without a connection.
 */
export class SkeinYjsProvider {
  readonly document: Document;
  readonly doc: Y.Doc;
  readonly awareness: Awareness | null;
  readonly #ownAwareness: boolean;
  readonly #events = new Emitter<YjsProviderEvents>();
  readonly #first: Deferred<void> = quietDeferred<void>();
  readonly #exchange: Exchange;
  readonly #view: View;
  #ended = false;

  /**
   * Begins at once. Throws SkeinError `closed` when the document is closed, and `bad_argument` when the `Y.Doc` is of a
   * copy of Yjs that cannot be had.
   */
  constructor(document: Document, doc: Y.Doc, options: YjsProviderOptions = {}) {
    if (document.closed) throw SkeinError.closed();
    this.document = document;
    this.doc = doc;
    this.#view = {
      doc,
      yjs: yjsOf(doc),
      origin: this,
      compactAfter: options.compactAfter ?? 500,
      caughtUp: () => this.#first.resolve(),
      synced: (isSynced) => this.#events.emit("synced", isSynced),
      compacted: (offset) => this.#events.emit("compacted", { offset }),
      closed: (error) => {
        if (error !== undefined) this.#first.reject(error);
        this.destroy();
      },
    };
    this.#ownAwareness = options.awareness === undefined;
    this.awareness = options.awareness === undefined ? new Awareness(doc) : options.awareness;
    doc.on("destroy", this.#destroyed);
    const exchange = this.#exchange = Exchange.of(document);
    exchange.join(this.#view);
    if (exchange.isCaughtUp) this.#first.resolve();
    if (this.awareness !== null) exchange.presence.add(this.awareness);
  }

  /**
   * Resolves when everything the server had is in the `Y.Doc`; rejects when the server refuses the document, and when the
   * provider is destroyed before.
   */
  get ready(): Promise<void> {
    return this.#first.promise;
  }

  /** Whether the `Y.Doc` is in step with the server, apart from what is on its way. */
  get synced(): boolean {
    return !this.#ended && this.#exchange.synced;
  }

  /** Calls `listener` at each `event`; returns what takes it off again. */
  on<E extends keyof YjsProviderEvents>(event: E, listener: Listener<YjsProviderEvents[E]>): () => void {
    return this.#events.on(event, listener);
  }

  /** Makes a snapshot now. Resolves with false when it was not needed, or could not be made. */
  compact(): Promise<boolean> {
    return this.#ended ? Promise.resolve(false) : this.#exchange.compact();
  }

  /**
   * Ends it; what was changed is still sent, as far as the client's outbox takes it. The document is closed when no provider is left on it at the end of this
   * turn of the event loop.
   */
  destroy(): void {
    if (this.#ended) return;
    const { awareness } = this;
    const wasSynced = this.synced;
    this.#exchange.leave(this.#view);
    const told = awareness === null ? Promise.resolve() : this.#exchange.presence.remove(awareness);
    if (this.#ownAwareness) awareness?.destroy();
    this.#ended = true;
    this.#first.reject(SkeinError.closed());
    this.doc.off("destroy", this.#destroyed);
    void told.then(() => this.#exchange.closeIfUnused());
    if (wasSynced) this.#events.emit("synced", false);
    this.#events.clear();
  }

  readonly #destroyed = (): void => this.destroy();
}

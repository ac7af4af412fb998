/**
 * A Skein document and the Yjs documents that are kept in step with it: changes both ways, what was made offline,
 * snapshots so that operations need not be kept for ever. All providers of one document share it.
 *
 * @module
 */

import * as Y from "yjs";
import type { Document } from "../documents/document.ts";
import type { Operation } from "../documents/events.ts";
import type { SkeinError } from "../errors.ts";
import type { Yjs } from "./copies.ts";
import { anotherComesFirst, FromPeer } from "./from_peer.ts";
import { Known } from "./known.ts";
import { Presence } from "./presence.ts";

/** A Yjs document that is kept in step, and what its provider is told. */
export interface View {
  readonly doc: Y.Doc;
  /** The copy of Yjs that made it. */
  readonly yjs: Yjs;
  /** The origin of what is put into it. */
  readonly origin: unknown;
  /** A snapshot is made each time so many operations have come. */
  readonly compactAfter: number;
  /** Whether the document is in step with the server. */
  synced(isSynced: boolean): void;
  /** The server keeps a snapshot. */
  compacted(offset: number): void;
  /** The Skein document is closed, and why, when it was not the application. */
  closed(error: SkeinError | undefined): void;
}

type Updated = (update: Uint8Array, origin: unknown, doc: Y.Doc, transaction: Y.Transaction) => void;

/** Milliseconds that the author of a change, which came from it directly, has to bring it to the service itself. */
const AUTHOR_TIME = 5_000;
/** Milliseconds that the first of several peers has for what all of them have had since before they were connected. */
const FIRST_PEER_TIME = 7_500;

const exchanges = new WeakMap<Document, Exchange>();

/** Keeps Yjs documents in step with a Skein document. */
export class Exchange {
  readonly presence: Presence;
  readonly #document: Document;
  readonly #views = new Map<View, Updated>();
  readonly #known = new Known();
  /** Changes of this turn of the event loop: they go as one operation. */
  #updates: Uint8Array[] = [];
  /** Operations in the order they came: those of one turn are one transaction of Yjs. */
  #told: Uint8Array[] = [];
  /** There may be deletions that the server does not know. To look for them costs as much as the document is long. */
  #deletionsMayMiss = false;
  #isLooking = false;
  #cancelLook: (() => void) | undefined;
  /** Something came from a peer, and it was not looked since whether the server has it. */
  #cameFromPeer = false;
  /** Operations that are not acknowledged. */
  #onTheWay = 0;
  #compacting = false;
  #synced = false;

  private constructor(document: Document) {
    this.#document = document;
    this.presence = new Presence(document);
    document.on("reset", ({ data }) => this.#reset(data));
    document.on("operation", (operation) => this.#operation(operation));
    document.on("synced", () => this.#caughtUp());
    document.on("offline", () => {
      this.#setSynced(false);
      this.presence.offline();
    });
    document.on("full", () => void this.compact());
    document.on("awareness", ({ data }) => this.presence.heard(data));
    document.on("closed", (error) => {
      for (const view of [...this.#views.keys()]) view.closed(error);
    });
  }

  /** The one of a document. */
  static of(document: Document): Exchange {
    let exchange = exchanges.get(document);
    if (exchange === undefined) exchanges.set(document, exchange = new Exchange(document));
    return exchange;
  }

  /** Whether the Yjs documents are in step with the server, apart from what is on its way. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Keeps a Yjs document in step from now on. Those of one Skein document have the same content at once. */
  join(view: View): void {
    const { doc, yjs } = view;
    const [first] = this.#views.keys();
    if (yjs.encodeStateVector(doc).length > 1) this.#deletionsMayMiss = true;
    if (first !== undefined) {
      this.#catchUp();
      this.#put(view, [first.yjs.encodeStateAsUpdate(first.doc)]);
      this.#fanOut(yjs.encodeStateAsUpdate(doc, first.yjs.encodeStateVector(first.doc)), view);
    } else if (this.#document.position !== undefined) {
      // Its content was told before, to nobody who is still here: the server tells it again.
      this.#setSynced(false);
      this.#document.restart();
    }
    const updated: Updated = (update, origin, _doc, { local }) => {
      if (origin !== view.origin) this.#updated(update, { local, origin }, view);
    };
    this.#views.set(view, updated);
    doc.on("update", updated);
    this.#look();
  }

  /** Keeps a Yjs document in step no more; what was changed in it is still sent. */
  leave(view: View): void {
    const updated = this.#views.get(view);
    if (updated === undefined) return;
    this.#catchUp();
    this.#flush();
    view.doc.off("update", updated);
    this.#views.delete(view);
  }

  /** Closes the Skein document unless somebody has joined. */
  closeIfUnused(): void {
    if (this.#views.size > 0) return;
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    this.presence.stop();
    this.#document.close();
  }

  /** Makes a snapshot now. Resolves with false when it was not needed, or could not be made. */
  async compact(): Promise<boolean> {
    const [view] = this.#views.keys();
    // Before it is in step a snapshot would lack what is still to come.
    if (view === undefined || this.#compacting || !this.#synced) return false;
    this.#compacting = true;
    try {
      this.#catchUp();
      const offset = this.#document.position?.offset ?? 0;
      // All that was told is in it, and what is on its way, which does no harm.
      const kept = await this.#document.snapshot(view.yjs.encodeStateAsUpdate(view.doc));
      if (kept) { for (const each of this.#views.keys()) each.compacted(offset); }
      return kept;
    } catch {
      // Another one is made when as many operations have come again.
      return false;
    } finally {
      this.#compacting = false;
    }
  }

  // --- out ---

  /**
   * A Yjs document was changed: by the application, or (not `local`) by another provider, such as a local copy, or by a
   * peer.
   */
  #updated(
    update: Uint8Array,
    { local, origin }: { readonly local: boolean; readonly origin: unknown },
    view: View,
  ): void {
    this.#fanOut(update, view);
    if (local) {
      this.#updates.push(update);
      if (this.#updates.length === 1) queueMicrotask(() => this.#flush());
    } else {
      // The server may have all of it: only what it lacks is sent, once it is known what that is.
      this.#deletionsMayMiss = true;
      if (origin instanceof FromPeer) {
        this.#cameFromPeer = true;
        this.#lookLater();
      } else this.#look();
    }
  }

  /** Puts a change into the other Yjs documents. */
  #fanOut(update: Uint8Array, except: View): void {
    for (const view of this.#views.keys()) if (view !== except) this.#put(view, [update]);
  }

  #flush(): void {
    const updates = this.#updates.splice(0);
    if (updates.length === 0) return;
    this.#send(updates.length === 1 ? updates[0]! : Y.mergeUpdates(updates));
  }

  #send(update: Uint8Array): void {
    this.#onTheWay++;
    this.#document.send(update).then(() => {
      this.#onTheWay--;
      this.#known.add(update);
      this.#sendMissing();
    }, () => {
      // Refused or given up. Its content is still missing at the service, so it is sent again with the next update that
      // succeeds.
      this.#onTheWay--;
      this.#deletionsMayMiss = true;
    });
  }

  /** Looks for what is missing at the server, once for all that happens in this turn of the event loop. */
  #look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    queueMicrotask(() => {
      this.#isLooking = false;
      this.#sendMissing();
    });
  }

  /**
   * What came from a peer is its author's to send, and of what several peers have one brings it. What has not come by then
   * they cannot send.
   */
  #lookLater(ms = AUTHOR_TIME): void {
    this.#cancelLook ??= this.#document.clock.after(ms, () => {
      this.#cancelLook = undefined;
      // Without the server it is looked once it is back.
      if (this.#synced) this.#cameFromPeer = false;
      this.#sendMissing();
    });
  }

  /** Others may be about to send the same: they have the time for it. */
  #lookAfterOthers(): void {
    const [view] = this.#views.keys();
    const first = view !== undefined && anotherComesFirst(view.doc) ? FIRST_PEER_TIME : 0;
    const ms = first + (this.#cameFromPeer ? AUTHOR_TIME : 0);
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    if (ms > 0) this.#lookLater(ms);
  }

  /** Sends what the server has not: made before the document was opened, refused, or lost with the server's history. */
  #sendMissing(): void {
    const [view] = this.#views.keys();
    if (view === undefined || this.#onTheWay > 0 || this.#updates.length > 0 || !this.#synced) return;
    if (this.#cancelLook !== undefined) return;
    const missing = this.#known.missing(view.doc, view.yjs, this.#deletionsMayMiss);
    this.#deletionsMayMiss = false;
    if (missing !== undefined) this.#send(missing);
  }

  // --- in ---

  #reset(data: Uint8Array | undefined): void {
    this.#catchUp();
    this.#known.clear();
    if (data !== undefined) this.#take([data]);
  }

  #operation({ data, own, offset, prev }: Operation): void {
    if (this.#told.push(data) === 1) queueMicrotask(() => this.#catchUp());
    const [view] = this.#views.keys();
    if (view === undefined || !own) return;
    const { compactAfter } = view;
    const isDue = Math.floor(offset / compactAfter) > Math.floor(prev / compactAfter);
    if (isDue && this.#document.position?.offset === offset) void this.compact();
  }

  #catchUp(): void {
    const updates = this.#told.splice(0);
    if (updates.length > 0) this.#take(updates);
  }

  /** The server has told of these. */
  #take(updates: readonly Uint8Array[]): void {
    const readable = updates.filter((update) => {
      try {
        this.#known.add(update);
        return true;
      } catch (error) {
        // Somebody sent what is no update. It is left out everywhere alike.
        console.error("a Yjs update that cannot be read", error);
        return false;
      }
    });
    for (const view of this.#views.keys()) this.#put(view, readable);
  }

  /** Puts updates into a document. Its clean-up is what a transaction costs, whatever is in it. */
  #put({ doc, yjs, origin }: View, updates: readonly Uint8Array[]): void {
    if (updates.length === 0) return;
    try {
      yjs.transact(
        doc,
        () => updates.forEach((update) => yjs.applyUpdate(doc, update, origin)),
        origin,
        false,
      );
    } catch (error) {
      // The updates are in: Yjs tells the application's observers afterwards, and throws what they throw.
      console.error("an observer of the Yjs document failed", error);
    }
  }

  #caughtUp(): void {
    this.#catchUp();
    this.#flush();
    this.#setSynced(true);
    this.#lookAfterOthers();
    this.#sendMissing();
    this.presence.query();
  }

  #setSynced(isSynced: boolean): void {
    if (this.#synced === isSynced) return;
    this.#synced = isSynced;
    for (const view of [...this.#views.keys()]) view.synced(isSynced);
  }
}

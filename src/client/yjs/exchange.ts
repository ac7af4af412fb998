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
import { Arrears } from "./arrears.ts";
import { anotherComesFirst, FromPeer } from "./from_peer.ts";
import { Known } from "./known.ts";
import { beginning } from "./pieces.ts";
import { Presence } from "./presence.ts";
import { Snapshots } from "./snapshots.ts";
import { put, type View } from "./view.ts";

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
  /** What was refused. */
  readonly #arrears: Arrears;
  readonly #snapshots: Snapshots;
  /** The server takes no operations until there is a snapshot. */
  #isFull = false;
  /** Everything that the server had has come. */
  #isCaughtUp = false;
  /** What the views were told. */
  #toldSynced = false;

  private constructor(document: Document) {
    this.#document = document;
    this.presence = new Presence(document);
    this.#arrears = new Arrears(document.clock, {
      changed: () => this.#tellSynced(),
      due: () => this.#sendMissing(),
      hopeless: (error) => document.close(error),
    });
    this.#snapshots = new Snapshots(document, (error) => {
      // Nothing more is taken unless the document shrinks.
      if (this.#isFull && !document.closed) this.#arrears.refused(error, { size: 0, isDifference: false });
    });
    document.on("reset", ({ data }) => this.#reset(data));
    document.on("operation", (operation) => this.#operation(operation));
    document.on("synced", () => this.#caughtUp());
    document.on("offline", () => {
      this.#setCaughtUp(false);
      this.presence.offline();
    });
    document.on("full", () => {
      this.#isFull = true;
      void this.compact();
    });
    document.on("room", () => this.#arrears.room());
    document.on("awareness", ({ data }) => this.presence.heard(data));
    document.on("closed", (error) => {
      this.#arrears.stop();
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
    return this.#isCaughtUp && this.#arrears.isEmpty;
  }

  /** Whether everything that the server had is in the Yjs documents. */
  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  /** Keeps a Yjs document in step from now on. Those of one Skein document have the same content at once. */
  join(view: View): void {
    const { doc, yjs } = view;
    const [first] = this.#views.keys();
    if (yjs.encodeStateVector(doc).length > 1) this.#deletionsMayMiss = true;
    if (first !== undefined) {
      this.#catchUp();
      put(view, [first.yjs.encodeStateAsUpdate(first.doc)]);
      this.#fanOut(yjs.encodeStateAsUpdate(doc, first.yjs.encodeStateVector(first.doc)), view);
    } else if (this.#document.position !== undefined) {
      // Its content was told before, to nobody who is still here: the server tells it again.
      this.#setCaughtUp(false);
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
    // The last chance, if the outbox has room by now.
    const rest = this.#views.size > 0 || this.#arrears.isEmpty ? undefined : this.#missing(view);
    if (rest !== undefined) this.#send(rest);
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
    if (view === undefined || !this.#isCaughtUp) return false;
    const offset = await this.#snapshots.make(() => {
      this.#catchUp();
      // All that was told is in it, and what is on its way or still to be sent, which does no harm.
      return view.yjs.encodeStateAsUpdate(view.doc);
    });
    if (offset === undefined) return false;
    for (const each of this.#views.keys()) each.compacted(offset);
    return true;
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
    this.#arrears.edited();
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
    for (const view of this.#views.keys()) if (view !== except) put(view, [update]);
  }

  #flush(): void {
    const updates = this.#updates.splice(0);
    if (updates.length === 0) return;
    if (!this.#arrears.isEmpty) {
      // Behind what was refused it would wait for that with all who get it: the difference has both.
      this.#deletionsMayMiss = true;
      return this.#sendMissing();
    }
    this.#send(updates.length === 1 ? updates[0]! : Y.mergeUpdates(updates));
  }

  /** `of`: it is a piece of what is missing, or all of it. */
  #send(update: Uint8Array, of?: "part" | "all"): void {
    this.#onTheWay++;
    this.#document.send(update).then(() => {
      this.#onTheWay--;
      this.#isFull = false;
      this.#known.add(update);
      if (of === "all") this.#arrears.settled();
      this.#sendMissing();
    }, (error: SkeinError) => {
      this.#onTheWay--;
      this.#deletionsMayMiss = true;
      if (this.#document.closed) return;
      this.#arrears.refused(error, { size: update.length, isDifference: of !== undefined });
      this.#sendMissing();
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
      if (this.#isCaughtUp) this.#cameFromPeer = false;
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
    if (view === undefined || this.#onTheWay > 0 || this.#updates.length > 0 || !this.#isCaughtUp) return;
    if (this.#cancelLook !== undefined || !this.#arrears.isDue) return;
    const missing = this.#missing(view);
    if (missing === undefined) return this.#arrears.settled();
    const piece = beginning(missing, this.#arrears.limit);
    if (piece === missing) return this.#send(missing, "all");
    this.#deletionsMayMiss = true;
    this.#send(piece, "part");
  }

  #missing({ doc, yjs }: View): Uint8Array | undefined {
    const missing = this.#known.missing(doc, yjs, this.#deletionsMayMiss);
    this.#deletionsMayMiss = false;
    return missing;
  }

  // --- in ---

  #reset(data: Uint8Array | undefined): void {
    this.#catchUp();
    this.#known.clear();
    this.#snapshots.clear();
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
    for (const view of this.#views.keys()) put(view, readable);
  }

  #caughtUp(): void {
    this.#catchUp();
    this.#flush();
    this.#setCaughtUp(true);
    this.#lookAfterOthers();
    this.#arrears.retry();
    this.#sendMissing();
    this.presence.query();
  }

  #setCaughtUp(isCaughtUp: boolean): void {
    if (this.#isCaughtUp === isCaughtUp) return;
    this.#isCaughtUp = isCaughtUp;
    if (isCaughtUp) { for (const view of [...this.#views.keys()]) view.caughtUp(); }
    this.#tellSynced();
  }

  #tellSynced(): void {
    const isSynced = this.synced;
    if (this.#toldSynced === isSynced) return;
    this.#toldSynced = isSynced;
    for (const view of [...this.#views.keys()]) view.synced(isSynced);
  }
}

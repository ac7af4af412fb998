/**
 * A Yjs document kept in step with a Skein document: changes both ways, what was made offline, who is there, and
 * snapshots so that operations need not be kept for ever.
 *
 * @module
 */

import {
  applyAwarenessUpdate,
  Awareness,
  encodeAwarenessUpdate,
  removeAwarenessStates,
} from "y-protocols/awareness";
import * as Y from "yjs";
import type { Document } from "../documents/document.ts";
import type { Operation } from "../documents/events.ts";
import { Emitter, type Listener } from "../emitter.ts";
import { Known } from "./known.ts";

/** Options of a provider. */
export interface YjsProviderOptions {
  /** Who is there and what they do; `null` leaves it out. @default a new one for the document */
  readonly awareness?: Awareness | null;
  /** A snapshot is made each time so many operations have come, by whoever sent the last of them. @default 500 */
  readonly compactAfter?: number;
}

/** Events of a provider. */
export interface YjsProviderEvents {
  /** Whether the document is in step with the server, apart from what is on its way. */
  synced: boolean;
  /** A snapshot was kept by the server. */
  compacted: { readonly offset: number };
}

/**
 * Milliseconds within which newcomers are answered: for each who is there, and at most. All of them answering each of
 * a thousand who come at once would be a thousand million messages.
 */
const ANSWER = { each: 10, most: 5000 };

/** First byte of what travels as awareness: states, or states and the wish to have everybody's. */
const STATES = 0, QUERY = 1;

/** Connects a `Y.Doc` to a document of the service. The document should be opened for it alone. */
export class SkeinYjsProvider {
  readonly document: Document;
  readonly doc: Y.Doc;
  readonly awareness: Awareness | null;
  readonly #ownAwareness: boolean;
  readonly #compactAfter: number;
  readonly #events = new Emitter<YjsProviderEvents>();
  readonly #known = new Known();
  readonly #offs: (() => void)[];
  /** Changes of this turn of the event loop: they go as one operation. */
  #updates: Uint8Array[] = [];
  /** Operations in the order they came: those of one turn are one transaction of Yjs. */
  #told: Uint8Array[] = [];
  /** There may be deletions that the server does not know, which its clocks do not tell. */
  #deletionsMayMiss: boolean;
  /** Operations that are not acknowledged. */
  #onTheWay = 0;
  /** Calls off the answer to newcomers that is still to be given. */
  #cancelAnswer: (() => void) | undefined;
  #compacting = false;
  #synced = false;
  #ended = false;

  /** Begins at once. */
  constructor(document: Document, doc: Y.Doc, options: YjsProviderOptions = {}) {
    this.document = document;
    this.doc = doc;
    this.#ownAwareness = options.awareness === undefined;
    this.awareness = options.awareness === undefined ? new Awareness(doc) : options.awareness;
    this.#compactAfter = options.compactAfter ?? 500;
    this.#deletionsMayMiss = Y.encodeStateVector(doc).length > 1;
    doc.on("update", this.#updated);
    doc.on("destroy", this.#destroyed);
    this.awareness?.on("update", this.#aware);
    this.#offs = [
      document.on("reset", ({ data }) => this.#reset(data)),
      document.on("operation", (operation) => this.#operation(operation)),
      document.on("synced", () => this.#caughtUp()),
      document.on("offline", () => this.#offline()),
      document.on("full", () => void this.compact()),
      document.on("awareness", ({ data }) => this.#heard(data)),
      document.on("closed", () => this.destroy()),
    ];
  }

  /** Resolves when everything the server had is in the `Y.Doc`; rejects when the server refuses the document. */
  get ready(): Promise<void> {
    return this.document.ready;
  }

  /** Whether the `Y.Doc` is in step with the server, apart from what is on its way. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Calls `listener` at each `event`; returns what takes it off again. */
  on<E extends keyof YjsProviderEvents>(event: E, listener: Listener<YjsProviderEvents[E]>): () => void {
    return this.#events.on(event, listener);
  }

  /** Makes a snapshot now. Resolves with false when it was not needed, or could not be made. */
  async compact(): Promise<boolean> {
    if (this.#compacting || this.#ended) return false;
    this.#compacting = true;
    try {
      this.#catchUp();
      const offset = this.document.position?.offset ?? 0;
      // All that was told is in it, and what is on its way, which does no harm.
      const kept = await this.document.snapshot(Y.encodeStateAsUpdate(this.doc));
      if (kept) this.#events.emit("compacted", { offset });
      return kept;
    } catch {
      // Another one is made when as many operations have come again.
      return false;
    } finally {
      this.#compacting = false;
    }
  }

  /** Ends it, and closes the document. What was changed is still sent. */
  destroy(): void {
    if (this.#ended) return;
    this.#catchUp();
    this.#flush();
    const { awareness } = this;
    let told: Promise<void> | undefined;
    if (awareness !== null) {
      awareness.off("update", this.#aware);
      if (awareness.getLocalState() !== null) {
        // Others need not wait until it lapses.
        removeAwarenessStates(awareness, [this.doc.clientID], this);
        told = this.#tell([this.doc.clientID], STATES, true);
      }
      if (this.#ownAwareness) awareness.destroy();
    }
    this.#ended = true;
    this.#answered();
    this.doc.off("update", this.#updated);
    this.doc.off("destroy", this.#destroyed);
    for (const off of this.#offs) off();
    if (told === undefined) this.document.close();
    else void told.then(() => this.document.close());
    this.#setSynced(false);
    this.#events.clear();
  }

  readonly #destroyed = (): void => this.destroy();

  // --- changes ---

  readonly #updated = (update: Uint8Array, origin: unknown): void => {
    if (origin === this || this.#ended) return;
    this.#updates.push(update);
    if (this.#updates.length === 1) queueMicrotask(() => this.#flush());
  };

  #flush(): void {
    const updates = this.#updates.splice(0);
    if (updates.length === 0 || this.#ended) return;
    this.#send(updates.length === 1 ? updates[0]! : Y.mergeUpdates(updates));
  }

  #send(update: Uint8Array): void {
    this.#onTheWay++;
    this.document.send(update).then(() => {
      this.#onTheWay--;
      this.#known.add(update);
      this.#sendMissing();
    }, () => {
      // Refused or given up: it is found missing and sent after the next one that is not.
      this.#onTheWay--;
      this.#deletionsMayMiss = true;
    });
  }

  /** Sends what the server has not: made before the document was opened, refused, or lost with the server's history. */
  #sendMissing(): void {
    if (this.#onTheWay > 0 || !this.#synced || this.#ended) return;
    const missing = this.#known.missing(this.doc, this.#deletionsMayMiss);
    this.#deletionsMayMiss = false;
    if (missing !== undefined) this.#send(missing);
  }

  #reset(data: Uint8Array | undefined): void {
    this.#catchUp();
    this.#known.clear();
    if (data !== undefined) this.#apply(data);
  }

  #operation({ data, own, offset, prev }: Operation): void {
    if (this.#told.push(data) === 1) queueMicrotask(() => this.#catchUp());
    const { position } = this.document;
    const before = Math.floor(prev / this.#compactAfter), after = Math.floor(offset / this.#compactAfter);
    if (own && after > before && position?.offset === offset) void this.compact();
  }

  /** Puts what was told into the document. Its clean-up is what a transaction costs, whatever is in it. */
  #catchUp(): void {
    const updates = this.#told.splice(0);
    if (updates.length === 0 || this.#ended) return;
    try {
      Y.transact(this.doc, () => updates.forEach((update) => this.#apply(update)), this, false);
    } catch (error) {
      // The updates are in: Yjs tells the application's observers afterwards, and throws what they throw.
      console.error("an observer of the Yjs document failed", error);
    }
  }

  #apply(update: Uint8Array): void {
    try {
      Y.applyUpdate(this.doc, update, this);
      this.#known.add(update);
    } catch (error) {
      // Somebody sent what is no update. It is left out everywhere alike.
      console.error("a Yjs update that cannot be read", error);
    }
  }

  #caughtUp(): void {
    this.#catchUp();
    this.#flush();
    this.#setSynced(true);
    this.#sendMissing();
    if (this.awareness !== null) void this.#tell([this.doc.clientID], QUERY);
  }

  #offline(): void {
    this.#setSynced(false);
    const { awareness } = this;
    if (awareness === null) return;
    const others = [...awareness.getStates().keys()].filter((client) => client !== this.doc.clientID);
    removeAwarenessStates(awareness, others, this);
    // Or what they are and tell again would be taken for known.
    for (const client of others) awareness.meta.delete(client);
  }

  #setSynced(synced: boolean): void {
    if (this.#synced === synced) return;
    this.#synced = synced;
    this.#events.emit("synced", synced);
  }

  // --- who is there ---

  readonly #aware = (
    { added, updated, removed }: { added: number[]; updated: number[]; removed: number[] },
    origin: unknown,
  ): void => {
    if (origin === this) return;
    // Each tells of itself alone: of a session's states only the newest is kept on the way.
    const { clientID } = this.doc;
    if (added.includes(clientID) || updated.includes(clientID) || removed.includes(clientID)) {
      void this.#tell([clientID], STATES);
    }
  };

  #tell(clients: number[], kind: number, last = false): Promise<void> {
    const { awareness } = this;
    if (awareness === null || this.#ended || !this.document.synced) return Promise.resolve();
    // It reaches those who asked, too.
    this.#answered();
    const known = clients.filter((client) => awareness.meta.has(client));
    const update = encodeAwarenessUpdate(awareness, known);
    const message = new Uint8Array(1 + update.length);
    message[0] = kind;
    message.set(update, 1);
    // It may be lost: nobody waits for it.
    return this.document.awareness(message, last).catch(() => {});
  }

  #heard(data: Uint8Array): void {
    const { awareness } = this;
    if (awareness === null || data.length < 2) return;
    try {
      applyAwarenessUpdate(awareness, data.subarray(1), this);
    } catch {
      // What cannot be read is nobody's state.
      return;
    }
    if (data[0] === QUERY && awareness.getLocalState() !== null) this.#answer(awareness.getStates().size);
  }

  /** Tells of itself in a while: once to all who ask until then, and not all who are there at the same time. */
  #answer(count: number): void {
    const within = Math.min(ANSWER.each * count, ANSWER.most);
    this.#cancelAnswer ??= this.document.clock.after(Math.random() * within, () => {
      this.#cancelAnswer = undefined;
      void this.#tell([this.doc.clientID], STATES);
    });
  }

  #answered(): void {
    this.#cancelAnswer?.();
    this.#cancelAnswer = undefined;
  }
}

/**
 * Who is there and what they do: `y-protocols` awareness over a Skein document.
 *
 * @module
 */

import {
  applyAwarenessUpdate,
  type Awareness,
  encodeAwarenessUpdate,
  removeAwarenessStates,
} from "y-protocols/awareness";
import type { Document } from "../documents/document.ts";

/**
 * Milliseconds within which newcomers are answered: for each who is there, and at most. All of them answering each of
 * a thousand who come at once would be a thousand million messages.
 */
const ANSWER = { each: 10, most: 5000 };

/** First byte of what travels as awareness: states, or states and the wish to have everybody's. */
const STATES = 0, QUERY = 1;

interface Changes {
  readonly added: number[];
  readonly updated: number[];
  readonly removed: number[];
}

/**
 * Tells and hears who is there. Of a session only the newest message is kept on the way: so all awareness of a session
 * goes in one.
 */
export class Presence {
  readonly #document: Document;
  readonly #members = new Map<Awareness, (changes: Changes, origin: unknown) => void>();
  /** Calls off the answer to newcomers that is still to be given. */
  #cancelAnswer: (() => void) | undefined;

  constructor(document: Document) {
    this.#document = document;
  }

  /** Another one of this session. */
  add(awareness: Awareness): void {
    const [other] = this.#members.keys();
    if (other !== undefined) copy(other, awareness, [...other.getStates().keys()], this);
    const changed = ({ added, updated, removed }: Changes, origin: unknown): void => {
      const { clientID } = awareness;
      if (origin === this || ![...added, ...updated, ...removed].includes(clientID)) return;
      this.#mirror(awareness, [clientID]);
      void this.#tell(STATES);
    };
    this.#members.set(awareness, changed);
    awareness.on("update", changed);
    if (other === undefined) return;
    this.#mirror(awareness, [awareness.clientID]);
    void this.#tell(STATES);
  }

  /** One of this session ends: others need not wait until it lapses. Resolves when that is on its way. */
  remove(awareness: Awareness): Promise<void> {
    const changed = this.#members.get(awareness);
    if (changed === undefined) return Promise.resolve();
    awareness.off("update", changed);
    const { clientID } = awareness;
    const wasThere = awareness.getLocalState() !== null;
    if (wasThere) {
      removeAwarenessStates(awareness, [clientID], this);
      this.#mirror(awareness, [clientID]);
    }
    const told = wasThere ? this.#tell(STATES, clientID) : Promise.resolve();
    this.#members.delete(awareness);
    if (this.#members.size === 0) this.stop();
    return told;
  }

  /** The document is in step: tells of this session, and asks who else is there. */
  query(): void {
    void this.#tell(QUERY);
  }

  /** Without a connection nobody else is there. */
  offline(): void {
    const own = this.#own();
    for (const awareness of this.#members.keys()) {
      const others = [...awareness.getStates().keys()].filter((client) => !own.includes(client));
      removeAwarenessStates(awareness, others, this);
      // Or what they are and tell again would be taken for known.
      for (const client of others) awareness.meta.delete(client);
    }
  }

  /** Another session tells. */
  heard(data: Uint8Array): void {
    if (data.length < 2) return;
    let count = 0;
    for (const awareness of this.#members.keys()) {
      try {
        applyAwarenessUpdate(awareness, data.subarray(1), this);
      } catch {
        // What cannot be read is nobody's state.
        return;
      }
      if (awareness.getLocalState() !== null) count = awareness.getStates().size;
    }
    if (data[0] === QUERY && count > 0) this.#answer(count);
  }

  /** Nothing is told any more. */
  stop(): void {
    this.#cancelAnswer?.();
    this.#cancelAnswer = undefined;
  }

  #own(): number[] {
    return [...this.#members.keys()].map(({ clientID }) => clientID);
  }

  #mirror(from: Awareness, clients: number[]): void {
    for (const to of this.#members.keys()) if (to !== from) copy(from, to, clients, this);
  }

  /** Tells of all of this session; `gone` is one of them that ends. */
  #tell(kind: number, gone?: number): Promise<void> {
    // All know of each other, but one that ends is known best to those who stay.
    const known = [...this.#members.keys()];
    const awareness = known.find(({ clientID }) => clientID !== gone) ?? known[0];
    if (awareness === undefined || !this.#document.synced) return Promise.resolve();
    // It reaches those who asked, too.
    this.stop();
    const clients = this.#own().filter((client) => awareness.meta.has(client));
    const update = encodeAwarenessUpdate(awareness, clients);
    const message = new Uint8Array(1 + update.length);
    message[0] = kind;
    message.set(update, 1);
    // It may be lost: nobody waits for it.
    return this.#document.awareness(message, gone !== undefined).catch(() => {});
  }

  /** Tells of itself in a while: once to all who ask until then, and not all who are there at the same time. */
  #answer(count: number): void {
    const within = Math.min(ANSWER.each * count, ANSWER.most);
    this.#cancelAnswer ??= this.#document.clock.after(Math.random() * within, () => {
      this.#cancelAnswer = undefined;
      void this.#tell(STATES);
    });
  }
}

function copy(from: Awareness, to: Awareness, clients: number[], origin: unknown): void {
  applyAwarenessUpdate(to, encodeAwarenessUpdate(from, clients), origin);
}

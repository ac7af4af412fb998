/**
 * Content for those who came later: a member that has a document makes a snapshot of it in the current epoch, because
 * nobody can read what was sealed before it came.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import type { Clock } from "../clock.ts";
import type { Document } from "../documents/document.ts";
import { SkeinError } from "../errors.ts";

/** A document that is kept in step; a `SkeinYjsProvider` is one. */
export interface FollowedDocument {
  readonly document: Document;
  readonly synced: boolean;
  /** Makes a snapshot now; false: it was not needed, or could not be made. */
  compact(): Promise<boolean>;
  on(event: "compacted", listener: (at: { readonly offset: number }) => void): () => void;
}

/** What members tell each other about documents. */
export type ContentNote =
  /** Somebody cannot read what is kept in the channel. */
  | { readonly type: "wanted"; readonly channel: string }
  /** What is kept in the channel now was sealed in this epoch or later. */
  | { readonly type: "snapshot"; readonly channel: string; readonly epoch: number };

/** What newcomers need of the group. */
export interface NewcomersPort {
  readonly clock: Clock;
  /** The epoch now; undefined: this device is not in the group. */
  epoch(): number | undefined;
  tell(note: ContentNote): void;
  failed(error: unknown): void;
}

/** An operation that changes nothing: an empty update of Yjs. It gives the next snapshot a place of its own. */
const NOTHING = new Uint8Array([0, 0]);
/** Milliseconds over which members spread who makes the snapshot. */
const SPREAD = 1000;
/** Milliseconds until somebody who cannot read asks again; doubled each time. */
const ASK_AGAIN = { first: 4000, most: 300_000 };
/** Milliseconds within which an operation of one's own comes back. */
const ECHO = 10_000;
const ATTEMPTS = 5;

interface Wanted {
  wait: number;
  cancel: () => void;
}

/** Snapshots that are wanted, here and by others. */
export class Newcomers {
  readonly #port: NewcomersPort;
  readonly #followed = new Map<string, { readonly content: FollowedDocument; readonly off: () => void }>();
  /** Channels that this device cannot read. */
  readonly #wanted = new Map<string, Wanted>();
  /** Snapshots that this device will make unless somebody is faster. */
  readonly #planned = new Map<string, () => void>();
  readonly #ended = new AbortController();

  constructor(port: NewcomersPort) {
    this.#port = port;
  }

  /** Makes snapshots of this document for others. Returns what ends that. */
  follow(content: FollowedDocument): () => void {
    const { name } = content.document;
    this.#followed.get(name)?.off();
    const off = content.on("compacted", () => {
      const epoch = this.#port.epoch();
      if (epoch !== undefined) this.#port.tell({ type: "snapshot", channel: name, epoch });
    });
    this.#followed.set(name, { content, off });
    return () => {
      off();
      if (this.#followed.get(name)?.content === content) this.#followed.delete(name);
    };
  }

  /** This device has let somebody in, who is to read what is there. */
  admitted(): void {
    for (const channel of this.#followed.keys()) this.#plan(channel, 0);
  }

  /** This device cannot read what is kept in a channel. */
  want(channel: string): void {
    const known = this.#wanted.get(channel);
    if (known !== undefined) return;
    const wanted: Wanted = { wait: ASK_AGAIN.first, cancel: () => {} };
    this.#wanted.set(channel, wanted);
    this.#ask(channel, wanted);
  }

  /** A member has said something about a channel. */
  heard(note: ContentNote): void {
    const { channel } = note;
    if (note.type === "wanted") {
      if (!this.#wanted.has(channel)) this.#plan(channel, Math.random() * SPREAD);
      return;
    }
    this.#planned.get(channel)?.();
    this.#planned.delete(channel);
    if (this.#wanted.has(channel)) {
      this.#forget(channel);
      // What cannot be read after it is wanted again.
      this.#followed.get(channel)?.content.document.restart();
    }
  }

  /** The group is closed, with its clock: no snapshot is made any more, and who waits for one to come back gets `reason`. */
  end(reason: SkeinError): void {
    this.#ended.abort(reason);
    for (const { off } of this.#followed.values()) off();
    this.#followed.clear();
  }

  #ask(channel: string, wanted: Wanted): void {
    this.#port.tell({ type: "wanted", channel });
    wanted.cancel = this.#port.clock.after(wanted.wait, () => {
      wanted.wait = Math.min(wanted.wait * 2, ASK_AGAIN.most);
      this.#ask(channel, wanted);
    });
  }

  #forget(channel: string): void {
    this.#wanted.get(channel)?.cancel();
    this.#wanted.delete(channel);
  }

  #plan(channel: string, wait: number): void {
    const content = this.#followed.get(channel)?.content;
    if (content === undefined || this.#planned.has(channel)) return;
    const cancel = this.#port.clock.after(wait, () => {
      this.#planned.delete(channel);
      this.#seal(content).catch((error) => this.#port.failed(error));
    });
    this.#planned.set(channel, cancel);
  }

  /** Makes a snapshot in the current epoch, also where nothing was said since the last one. */
  async #seal(content: FollowedDocument): Promise<void> {
    const { document } = content;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // Whoever cannot read it all has nothing to give.
      if (!content.synced || document.closed || this.#wanted.has(document.name)) return;
      const { offset } = await document.send(NOTHING);
      await this.#reached(document, offset);
      if (await content.compact()) return;
    }
  }

  #reached(document: Document, offset: number): Promise<void> {
    const late = () => new SkeinError("timeout", `${document.name}: an own operation does not come back`);
    let off = () => {};
    const reached = new Promise<void>((resolve) => {
      const look = (): void => {
        if ((document.position?.offset ?? 0) >= offset) resolve();
      };
      off = document.on("operation", look);
      look();
    });
    const { signal } = this.#ended;
    return deadline(reached, ECHO, late, { timers: this.#port.clock, signal }).finally(() => off());
  }
}

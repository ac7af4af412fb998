/**
 * The receiving side of one document: the snapshot it begins with, its operations once and in order, parts put
 * together, all of it opened where there is a key.
 *
 * @module
 */

import { crc32, type Message, type Payload } from "../../protocol/core.ts";
import { SkeinError } from "../errors.ts";
import { ChannelInbox, type Position } from "../session/inbox.ts";
import { bytesOf } from "./bytes.ts";
import { DecryptionQueue } from "./decryption_queue.ts";
import type { Cipher } from "./encryption.ts";
import type { DocumentEvents } from "./events.ts";
import { Groups, joined } from "./groups.ts";
import { isPlace, type Opened, placedOf, type PlacedOp } from "./messages.ts";

/** What a receiver tells. */
export interface ReceiverEvents {
  /** The document begins here. */
  reset(data: Uint8Array | undefined): void;
  /** `data` is undefined when it could not be opened. */
  operation(data: Uint8Array | undefined, op: PlacedOp): void;
  awareness(event: DocumentEvents["awareness"]): void;
  /** All that the server had when the document was opened has been told. */
  synced(at: Position): void;
  /** The operation at `offset` came corrupted: it is to be asked for again. */
  corrupted(at: Position): void;
  failed(error: unknown): void;
}

/** The snapshot the document begins with, while it comes. */
interface Incoming {
  readonly at: Opened;
  readonly parts: (Uint8Array | undefined)[];
  missing: number;
}

/** Takes what the server says about the content of one document. */
export class Receiver {
  readonly #channel: string;
  readonly #events: ReceiverEvents;
  readonly #groups = new Groups();
  readonly #queue: DecryptionQueue;
  #inbox = new ChannelInbox<PlacedOp>();
  #incoming: Incoming | undefined;
  /** Where the document stood when it was opened; until that is reached it is not synced. */
  #target: number | undefined;
  /** The last message that was told to the application. */
  #applied: Position | undefined;
  /** Counts what has come, so that a standstill can be told from slowness. */
  progress = 0;

  /** `since`: what the application has already. */
  constructor(channel: string, key: Cipher | undefined, since: Position | undefined, events: ReceiverEvents) {
    this.#channel = channel;
    this.#events = events;
    this.#queue = new DecryptionQueue(channel, key, (error) => events.failed(error));
    if (since === undefined) return;
    this.#inbox.place(since, false);
    this.#applied = since;
  }

  /** The last message that was received: the next `doc_open` asks for what comes after it. */
  get since(): Position | undefined {
    return this.#inbox.position;
  }

  /** The last operation that was told, as far as a snapshot may reach; undefined before the document began. */
  get position(): Position | undefined {
    const at = this.#applied;
    return at === undefined ? undefined : { epoch: at.epoch, offset: this.#groups.reach(at.offset) };
  }

  /** All that the server had when the document was opened has been received. */
  get complete(): boolean {
    return this.#target === undefined;
  }

  /** Messages wait for one before them. */
  get waiting(): boolean {
    return this.#inbox.waiting;
  }

  /** Something could not be opened since the document began: it would be missing in a snapshot for everybody. */
  get unreadable(): boolean {
    return this.#queue.unreadable;
  }

  /** Nothing was told: the next `doc_open` asks for everything. */
  restart(): void {
    this.#inbox = new ChannelInbox();
    this.#applied = undefined;
  }

  /** The document is being opened, or the connection is gone: a snapshot that has come in part is of no use. */
  detach(): void {
    this.#incoming = undefined;
  }

  /** The server has opened the document: what it had by then follows. */
  opened(opened: Opened): void {
    this.progress++;
    this.#target = opened.offset;
    if (opened.recovered) return this.#checkSynced();
    this.#inbox = new ChannelInbox();
    const { parts } = opened;
    if (parts === 0) this.#begin(opened, undefined);
    else this.#incoming = { at: opened, parts: Array(parts).fill(undefined), missing: parts };
  }

  /** Takes a part of the snapshot. */
  part({ part, data, checksum }: Payload): void {
    const incoming = this.#incoming;
    const bytes = bytesOf(data);
    if (incoming === undefined || bytes === undefined || crc32(bytes) !== checksum) return;
    if (!isPlace(part) || part >= incoming.parts.length || incoming.parts[part] !== undefined) return;
    incoming.parts[part] = bytes;
    this.progress++;
    if (--incoming.missing > 0) return;
    this.#incoming = undefined;
    this.#begin(incoming.at, joined(incoming.parts as Uint8Array[]));
  }

  /** Takes an operation, or something else that has a place in the channel. */
  operation(message: Message): void {
    const op = placedOf(message);
    if (op === undefined) {
      return this.#events.failed(new SkeinError("bad_payload", "a doc_op that cannot be read"));
    }
    const { position } = this.#inbox;
    if (op.isOperation && crc32(op.data) !== op.checksum) {
      // It is sent again, and the next ones wait for it.
      if (position === undefined || op.offset <= position.offset) return;
      return this.#events.corrupted({ epoch: position.epoch, offset: op.offset });
    }
    this.progress++;
    for (const ready of this.#inbox.accept(op)) this.#apply(ready, position!.epoch);
    this.#checkSynced();
  }

  /** Takes what somebody else does. */
  awareness({ data, from, session }: Payload): void {
    const bytes = bytesOf(data);
    if (bytes === undefined || typeof from !== "string" || typeof session !== "string") return;
    this.#queue.tell(["awareness", bytes], (opened) => {
      if (opened !== undefined) this.#events.awareness({ data: opened, from, session });
    });
  }

  /** Nothing is told any more. */
  end(): void {
    this.#queue.ended = true;
  }

  /** From here on operations are told. */
  #begin({ epoch, start }: Opened, sealed: Uint8Array | undefined): void {
    this.#queue.unreadable = false;
    this.#queue.tell(sealed === undefined ? undefined : ["snapshot", sealed], (data) => {
      this.#groups.clear();
      this.#events.reset(data);
      this.#applied = { epoch, offset: start };
    });
    const { ready } = this.#inbox.place({ epoch, offset: start }, false);
    for (const op of ready) this.#apply(op, epoch);
    this.#checkSynced();
  }

  #apply(op: PlacedOp, epoch: string): void {
    const { offset, prev, from, part, givenUp } = op;
    if (!op.isOperation) {
      return this.#queue.tell(undefined, () => {
        if (givenUp !== undefined) this.#groups.giveUp(from, givenUp);
        this.#applied = { epoch, offset };
      });
    }
    if (part === undefined) {
      return this.#queue.tell(["operation", op.data], (data) => {
        this.#applied = { epoch, offset };
        this.#events.operation(data, op);
      });
    }
    // Parts are pieces of what is sealed.
    this.#queue.tell(undefined, () => {
      const whole = this.#groups.take(from, part, op.data, prev);
      this.#applied = { epoch, offset };
      if (whole === undefined) return undefined;
      return this.#queue.now(["operation", whole], (data) => this.#events.operation(data, op));
    });
  }

  #checkSynced(): void {
    const target = this.#target;
    if (target === undefined || (this.#inbox.position?.offset ?? -1) < target) return;
    this.#target = undefined;
    this.#queue.tell(undefined, () => this.#events.synced({ ...this.#applied! }));
  }
}

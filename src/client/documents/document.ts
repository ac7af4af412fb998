/**
 * One document as applications use it: its operations once and in order, snapshots, awareness, what was missed while
 * away, and an outbox for what is said offline.
 *
 * @module
 */

import { crc32, type Message, type Payload } from "../../protocol/core.ts";
import type { Clock } from "../clock.ts";
import { attempt, handled, quietDeferred } from "../../async/deferred.ts";
import { call, Emitter, Feed, type Listener } from "../emitter.ts";
import { SkeinError } from "../errors.ts";
import type { Receipt } from "../outbox/outbox.ts";
import { ChannelInbox, type Position } from "../session/inbox.ts";
import type { ChannelHandler, ChannelHandlerPort } from "../session/channel_handlers.ts";
import { bytesOf } from "./bytes.ts";
import type { DocumentEvents, DocumentOptions, Operation } from "./events.ts";
import { Groups, joined } from "./groups.ts";
import { Idle } from "./idle.ts";
import { isPlace, type Opened, openedOf, placedOf, type PlacedOp } from "./messages.ts";
import { Sender } from "./sender.ts";
import { DecryptionQueue } from "./decryption_queue.ts";

/** Milliseconds without progress, while something is missing, until the document is opened again. */
const PATIENCE = 2000;
/** Longest wait before that, when the server refuses for now. */
const MAX_WAIT = 30_000;
/** Operations an async iterable keeps for its reader. */
const MAX_UNREAD = 10_000;

/** The snapshot the document begins with, while it comes. */
interface Incoming {
  readonly at: Opened;
  readonly parts: (Uint8Array | undefined)[];
  missing: number;
}

/** A document. Made by `SkeinClient.document`. */
export class Document implements AsyncIterable<Operation>, ChannelHandler {
  readonly name: string;
  /** What it takes its time from. */
  readonly clock: Clock;
  readonly #port: ChannelHandlerPort;
  readonly #idle: Idle;
  readonly #closing: () => void;
  readonly #events = new Emitter<DocumentEvents>();
  readonly #feeds = new Set<Feed<Operation>>();
  readonly #groups = new Groups();
  readonly #sender: Sender;
  readonly #telling: DecryptionQueue;
  readonly #first = quietDeferred<void>();
  #inbox = new ChannelInbox<PlacedOp>();
  #incoming: Incoming | undefined;
  /** The id of the `doc_open` that is not answered. */
  #opening: string | undefined;
  #isOpen = false;
  /** Where the document stood when it was opened; until that is reached it is not synced. */
  #target: number | undefined;
  /** The last message that was told to the application. */
  #applied: Position | undefined;
  #cancelWatch: (() => void) | undefined;
  #progress = 0;
  #failures = 0;

  /** `port` is made with the document as its keeper; `closing` is called once when it closes. */
  constructor(
    name: string,
    port: (handler: ChannelHandler) => ChannelHandlerPort,
    clock: Clock,
    { key, since, idle = 300_000 }: DocumentOptions,
    closing: () => void,
  ) {
    this.name = name;
    this.clock = clock;
    this.#idle = new Idle(clock, idle, () => this.#port.closeLane());
    this.#closing = closing;
    // Opened again, the server takes the operations after it.
    this.#sender = new Sender(name, () => this.#port, clock, key, () => this.#isOpen && this.#open());
    this.#telling = new DecryptionQueue(name, key, (error) => this.#failed(error));
    if (since !== undefined) {
      this.#inbox.place(since, false);
      this.#applied = since;
    }
    this.#port = port(this);
    // Listeners come first.
    queueMicrotask(() => this.#open());
  }

  /** Resolves when everything the server had has been told; rejects when the server refuses the document. */
  get ready(): Promise<void> {
    return this.#first.promise;
  }

  /** The last operation that was told, as far as a snapshot may reach; undefined before the first `synced`. */
  get position(): Position | undefined {
    const at = this.#applied;
    return at === undefined ? undefined : { epoch: at.epoch, offset: this.#groups.reach(at.offset) };
  }

  /** Whether the application knows all that the server has said. */
  get synced(): boolean {
    return this.#isOpen && this.#target === undefined;
  }

  /** Calls `listener` at each `event`; returns what takes it off again. */
  on<E extends keyof DocumentEvents>(event: E, listener: Listener<DocumentEvents[E]>): () => void {
    return this.#events.on(event, listener);
  }

  /**
   * Sends an operation; resolves when the server has committed it. Without a connection it waits in the client's outbox.
   * Operations keep their order; one that does not fit a message goes in parts.
   */
  send(data: Uint8Array): Promise<Receipt> {
    return attempt(() => {
      if (this.#telling.ended) throw SkeinError.closed();
      this.#idle.active();
      return this.#sender.send(data);
    });
  }

  /**
   * Sends what the document is now, with everything that was told so far; the server may then drop operations.
   * Resolves with false when it was not needed: nothing was told yet, or a newer snapshot is there. Rejects when it
   * could not be sent; it is not sent again.
   */
  snapshot(data: Uint8Array): Promise<boolean> {
    const at = this.position;
    // What could not be read would be missing in it for everybody.
    if (at === undefined || at.offset === 0 || this.#telling.unreadable || this.#telling.ended) {
      return Promise.resolve(false);
    }
    this.#idle.active();
    return handled(this.#sender.snapshot(at, data));
  }

  /**
   * Tells the others what the user does; resolves when it is on its way. It is not kept and may be lost; without a
   * connection nobody is told. `last`: the document is closed next.
   */
  awareness(data: Uint8Array, last = false): Promise<void> {
    return this.#telling.ended ? Promise.resolve() : this.#sender.awareness(data, last);
  }

  /** Its operations from now on, once and in order. */
  operations(): AsyncIterableIterator<Operation> {
    const feed = new Feed<Operation>(MAX_UNREAD, () => this.#feeds.delete(feed));
    if (this.#telling.ended) feed.end();
    else this.#feeds.add(feed);
    return feed;
  }

  [Symbol.asyncIterator](): AsyncIterator<Operation> {
    return this.operations();
  }

  /** Leaves the document. What was sent and is not acknowledged is still sent. */
  close(): void {
    if (this.#telling.ended) return;
    this.#port.send("doc_close", { channel: this.name });
    this.#end(undefined);
  }

  // --- called by the session ---

  attached(): void {
    this.#sender.abort(lost());
    this.#failures = 0;
    this.#open();
  }

  detached(): void {
    this.#sender.abort(lost());
    this.#opening = undefined;
    this.#incoming = undefined;
    this.#isOpen = false;
    this.#stopWatch();
    this.#events.emit("offline", undefined);
  }

  refused(error: SkeinError): void {
    if (error.error === "doc_full") this.#events.emit("full", undefined);
  }

  failed(re: string, error: SkeinError): void {
    if (re !== this.#opening) {
      if (!this.#sender.settle(re, error)) this.#failed(error);
      return;
    }
    this.#opening = undefined;
    if (!error.temporary) return this.#end(error);
    this.#watch(error.retryAfter ?? Math.min(MAX_WAIT, PATIENCE * 2 ** Math.min(this.#failures++, 8)));
  }

  message(message: Message): void {
    const { type, payload, re } = message;
    if (this.#sender.settle(re, payload)) return;
    switch (type) {
      case "doc_opened":
        return this.#opened(payload);
      case "doc_snapshot":
        return this.#part(payload);
      case "doc_op":
        return this.#operation(message);
      case "doc_awareness":
        return this.#aware(payload);
      case "server_notice": // Deliveries have stopped: we were too slow.
        if (payload.reason !== "message_too_large") return this.#open();
        return this.#end(
          new SkeinError("message_too_large", `${this.name} has an operation that is too large`),
        );
      case "unsubscribed":
        if (payload.reason === "not_available" || payload.reason === "unrecoverable_position") {
          return this.#open();
        }
        return this.#end(new SkeinError("not_subscribed", `the server took the session off ${this.name}`));
      default:
        // Something else that is kept in the channel has its place among the operations.
        if (isPlace(payload.prev)) this.#operation(message);
    }
  }

  // --- opening ---

  #open(): void {
    if (this.#telling.ended || !this.#port.connected) return;
    const since = this.#inbox.position;
    this.#incoming = undefined;
    this.#isOpen = false;
    this.#opening = this.#port.send(
      "doc_open",
      since === undefined ? { channel: this.name } : { channel: this.name, since },
    );
    this.#watch(PATIENCE);
  }

  #opened(payload: Payload): void {
    const opened = openedOf(payload);
    if (opened === undefined) return this.#unreadable("doc_opened");
    // Asking has opened the lane.
    this.#idle.active();
    this.#opening = undefined;
    this.#isOpen = true;
    this.#failures = 0;
    this.#progress++;
    this.#target = opened.offset;
    if (opened.recovered) return this.#checkSynced();
    this.#inbox = new ChannelInbox();
    const { parts } = opened;
    if (parts === 0) this.#begin(opened, undefined);
    else this.#incoming = { at: opened, parts: Array(parts).fill(undefined), missing: parts };
  }

  #part({ part, data, checksum }: Payload): void {
    const incoming = this.#incoming;
    const bytes = bytesOf(data);
    if (incoming === undefined || bytes === undefined || crc32(bytes) !== checksum) return;
    if (!isPlace(part) || part >= incoming.parts.length || incoming.parts[part] !== undefined) return;
    incoming.parts[part] = bytes;
    this.#progress++;
    if (--incoming.missing > 0) return;
    this.#incoming = undefined;
    this.#begin(incoming.at, joined(incoming.parts as Uint8Array[]));
  }

  /** From here on operations are told. */
  #begin({ epoch, start }: Opened, sealed: Uint8Array | undefined): void {
    this.#telling.unreadable = false;
    this.#telling.tell(sealed === undefined ? undefined : ["snapshot", sealed], (data) => {
      this.#groups.clear();
      this.#events.emit("reset", { data });
      this.#applied = { epoch, offset: start };
    });
    const { ready } = this.#inbox.place({ epoch, offset: start }, false);
    for (const op of ready) this.#apply(op, epoch);
    this.#checkSynced();
  }

  // --- what comes ---

  #operation(message: Message): void {
    const op = placedOf(message);
    if (op === undefined) return this.#unreadable("doc_op");
    const { position } = this.#inbox;
    if (op.isOperation && crc32(op.data) !== op.checksum) {
      // It is sent again, and the next ones wait for it.
      if (position === undefined || op.offset <= position.offset) return;
      this.#port.send("doc_nack", { channel: this.name, epoch: position.epoch, offset: op.offset });
      return this.#watch(PATIENCE);
    }
    this.#progress++;
    for (const ready of this.#inbox.accept(op)) this.#apply(ready, position!.epoch);
    if (this.#inbox.waiting && this.#cancelWatch === undefined) this.#watch(PATIENCE);
    this.#checkSynced();
  }

  #apply(op: PlacedOp, epoch: string): void {
    this.#idle.active();
    const { offset, prev, from, part, givenUp } = op;
    if (!op.isOperation) {
      return this.#telling.tell(undefined, () => {
        if (givenUp !== undefined) this.#groups.giveUp(from, givenUp);
        this.#applied = { epoch, offset };
      });
    }
    if (part === undefined) {
      return this.#telling.tell(["operation", op.data], (data) => {
        this.#applied = { epoch, offset };
        this.#give(data, op);
      });
    }
    // Parts are pieces of what is sealed.
    this.#telling.tell(undefined, () => {
      const whole = this.#groups.take(from, part, op.data, prev);
      this.#applied = { epoch, offset };
      if (whole === undefined) return undefined;
      return this.#telling.now(["operation", whole], (data) => this.#give(data, op));
    });
  }

  #give(data: Uint8Array | undefined, { id, from, offset, prev, timestamp }: PlacedOp): void {
    const own = this.#sender.isOwn(id);
    if (data === undefined) return;
    const operation = { data, from, own, offset, prev, timestamp };
    this.#events.emit("operation", operation);
    for (const feed of this.#feeds) call((item) => feed.push(item), operation);
  }

  #aware({ data, from, session }: Payload): void {
    const bytes = bytesOf(data);
    if (bytes === undefined || typeof from !== "string" || typeof session !== "string") return;
    this.#telling.tell(["awareness", bytes], (opened) => {
      if (opened !== undefined) this.#events.emit("awareness", { data: opened, from, session });
    });
  }

  #checkSynced(): void {
    const target = this.#target;
    if (target === undefined || (this.#inbox.position?.offset ?? -1) < target) return;
    this.#target = undefined;
    this.#stopWatch();
    this.#telling.tell(undefined, () => {
      this.#events.emit("synced", { ...this.#applied! });
      this.#first.resolve();
    });
  }

  // --- time ---

  /** Opens the document again when nothing has come for `ms`, as long as something is missing. */
  #watch(ms: number): void {
    this.#stopWatch();
    const before = this.#progress;
    this.#cancelWatch = this.clock.after(ms, () => {
      this.#cancelWatch = undefined;
      const isWhole = this.synced && !this.#inbox.waiting;
      if (this.#telling.ended || !this.#port.connected || isWhole) return;
      if (this.#progress > before) this.#watch(PATIENCE);
      else this.#open();
    });
  }

  #stopWatch(): void {
    this.#cancelWatch?.();
    this.#cancelWatch = undefined;
  }

  // --- the end ---

  #unreadable(type: string): void {
    this.#failed(new SkeinError("bad_payload", `a ${type} that cannot be read`));
  }

  #failed(error: unknown): void {
    const cause = { cause: error };
    this.#events.emit(
      "error",
      error instanceof SkeinError ? error : new SkeinError("bad_payload", `${this.name}: ${error}`, cause),
    );
  }

  #end(error: SkeinError | undefined): void {
    if (this.#telling.ended) return;
    this.#telling.ended = true;
    const reason = error ?? SkeinError.closed();
    this.#stopWatch();
    this.#idle.stop();
    this.#sender.abort(reason);
    this.#first.reject(reason);
    this.#port.release();
    for (const feed of [...this.#feeds]) error === undefined ? feed.end() : feed.fail(error);
    this.#events.emit("closed", error);
    this.#events.clear();
    this.#closing();
  }
}

function lost(): SkeinError {
  return new SkeinError("connection_lost", "the connection is another one", { temporary: true });
}

/**
 * One document as applications use it: its operations once and in order, snapshots, awareness, what was missed while
 * away, and an outbox for what is said offline.
 *
 * @module
 */

import type { Message, Payload } from "../../protocol/core.ts";
import type { Clock } from "../clock.ts";
import { attempt, handled, quietDeferred } from "../../async/deferred.ts";
import { call, Emitter, Feed, type Listener } from "../emitter.ts";
import { SkeinError } from "../errors.ts";
import type { Receipt } from "../outbox/outbox.ts";
import type { Position } from "../session/inbox.ts";
import type { ChannelHandler, ChannelHandlerPort } from "../session/channel_handlers.ts";
import type { DocumentEvents, DocumentOptions, Operation } from "./events.ts";
import { Idle } from "./idle.ts";
import { isPlace, openedOf, type PlacedOp } from "./messages.ts";
import { Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";

/** Milliseconds without progress, while something is missing, until the document is opened again. */
const PATIENCE = 2000;
/** Longest wait before that, when the server refuses for now. */
const MAX_WAIT = 30_000;
/** Operations an async iterable keeps for its reader. */
const MAX_UNREAD = 10_000;

/** A document. Made by `openDocument`. */
export class Document implements AsyncIterable<Operation>, ChannelHandler {
  readonly name: string;
  /** What it takes its time from. */
  readonly clock: Clock;
  readonly #port: ChannelHandlerPort;
  readonly #idle: Idle;
  readonly #closing: () => void;
  readonly #events = new Emitter<DocumentEvents>();
  readonly #feeds = new Set<Feed<Operation>>();
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #first = quietDeferred<void>();
  /** The id of the `doc_open` that is not answered. */
  #opening: string | undefined;
  #isOpen = false;
  #hasEnded = false;
  #cancelWatch: (() => void) | undefined;
  #failures = 0;

  /** `port` is made as the handler of the document's channel; `closing` is called once when it closes. */
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
    this.#receiver = new Receiver(name, key, since, {
      reset: (data) => this.#events.emit("reset", { data }),
      operation: (data, op) => this.#tell(data, op),
      awareness: (event) => this.#events.emit("awareness", event),
      synced: (at) => {
        this.#events.emit("synced", at);
        this.#first.resolve();
      },
      corrupted: (at) => {
        this.#port.send("doc_nack", { channel: name, ...at });
        this.#watch(PATIENCE);
      },
      failed: (error) => this.#failed(error),
    });
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
    return this.#receiver.position;
  }

  /** Whether the application knows all that the server has said. */
  get synced(): boolean {
    return this.#isOpen && this.#receiver.complete;
  }

  /** Whether it is closed, by `close` or by the server. */
  get closed(): boolean {
    return this.#hasEnded;
  }

  /** Has everything told again, beginning with `reset`: for somebody who listens only now. */
  restart(): void {
    this.#receiver.restart();
    this.#open();
  }

  /** Calls `listener` at each `event`; returns what takes it off again. */
  on<E extends keyof DocumentEvents>(event: E, listener: Listener<DocumentEvents[E]>): () => void {
    return this.#events.on(event, listener);
  }

  /**
   * Sends an operation; resolves when the server has committed it. Without a connection it waits in the client's outbox.
   * Operations keep their order; one that does not fit a message goes in parts. A refusal is an `error` event too.
   */
  send(data: Uint8Array): Promise<Receipt> {
    const sent = attempt(() => {
      if (this.#hasEnded) throw SkeinError.closed();
      this.#idle.active();
      return this.#sender.send(data);
    });
    // Nobody waits for what a Yjs provider sends.
    sent.catch((error) => this.#hasEnded || this.#failed(error));
    return sent;
  }

  /**
   * Sends what the document is now, with everything that was told so far; the server may then drop operations.
   * Resolves with false when it was not needed: nothing was told yet, or a newer snapshot is there. Rejects when it
   * could not be sent; it is not sent again. One that is refused for good is an `error` event too.
   */
  snapshot(data: Uint8Array): Promise<boolean> {
    const at = this.position;
    // What could not be read would be missing in it for everybody.
    if (at === undefined || at.offset === 0 || this.#receiver.unreadable || this.#hasEnded) {
      return Promise.resolve(false);
    }
    this.#idle.active();
    const sent = handled(this.#sender.snapshot(at, data));
    sent.then(
      // A document that was full is not any more.
      (kept) => kept && this.#port.retry(),
      (error) => this.#hasEnded || isTemporary(error) || this.#failed(error),
    );
    return sent;
  }

  /**
   * Tells the others what the user does; resolves when it is on its way. It is not kept and may be lost; without a
   * connection nobody is told. `last`: the document is closed next.
   */
  awareness(data: Uint8Array, last = false): Promise<void> {
    return this.#hasEnded ? Promise.resolve() : this.#sender.awareness(data, last);
  }

  /** Its operations from now on, once and in order. */
  operations(): AsyncIterableIterator<Operation> {
    const feed = new Feed<Operation>(MAX_UNREAD, () => this.#feeds.delete(feed));
    if (this.#hasEnded) feed.end();
    else this.#feeds.add(feed);
    return feed;
  }

  [Symbol.asyncIterator](): AsyncIterator<Operation> {
    return this.operations();
  }

  /**
   * Leaves the document. What was sent and is not acknowledged is still sent. `error`: why it cannot go on, told with
   * `closed`.
   */
  close(error?: SkeinError): void {
    this.#end(error);
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
    this.#receiver.detach();
    this.#isOpen = false;
    this.#stopWatch();
    this.#events.emit("offline", undefined);
  }

  refused(error: SkeinError): void {
    if (error.error === "doc_full") this.#events.emit("full", undefined);
  }

  room(): void {
    this.#events.emit("room", undefined);
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
        this.#receiver.part(payload);
        return this.#received();
      case "doc_op":
        return this.#operation(message);
      case "doc_awareness":
        return this.#receiver.awareness(payload);
      case "server_notice": // Deliveries have stopped: we were too slow.
        if (payload.reason !== "message_too_large") return this.#open();
        return this.#end(
          new SkeinError("message_too_large", `${this.name} has an operation that is too large`),
        );
      case "unsubscribed":
        if (payload.reason === "not_available" || payload.reason === "unrecoverable_position") {
          return this.#open();
        }
        return this.#end(new SkeinError("not_subscribed", `taken off ${this.name}`));
      default:
        // Something else that is kept in the channel has its place among the operations.
        if (isPlace(payload.prev)) this.#operation(message);
    }
  }

  // --- opening ---

  #open(): void {
    if (this.#hasEnded || !this.#port.connected) return;
    const { since } = this.#receiver;
    this.#receiver.detach();
    this.#isOpen = false;
    this.#opening = this.#port.send(
      "doc_open",
      since === undefined ? { channel: this.name } : { channel: this.name, since },
    );
    this.#watch(PATIENCE);
  }

  #opened(payload: Payload): void {
    const opened = openedOf(payload);
    if (opened === undefined) {
      return this.#failed(new SkeinError("bad_payload", "a doc_opened that cannot be read"));
    }
    // Asking has opened the lane.
    this.#idle.active();
    this.#opening = undefined;
    this.#isOpen = true;
    this.#failures = 0;
    this.#receiver.opened(opened);
    this.#received();
  }

  #operation(message: Message): void {
    const { progress } = this.#receiver;
    this.#receiver.operation(message);
    if (this.#receiver.progress === progress) return;
    this.#idle.active();
    this.#received();
  }

  #tell(data: Uint8Array | undefined, { id, from, offset, prev, timestamp }: PlacedOp): void {
    const own = this.#sender.isOwn(id);
    if (data === undefined) return;
    const operation = { data, from, own, offset, prev, timestamp };
    this.#events.emit("operation", operation);
    for (const feed of this.#feeds) call((item) => feed.push(item), operation);
  }

  // --- time ---

  /** Something came: whatever is missing now is given time to come. */
  #received(): void {
    if (this.#receiver.waiting) {
      if (this.#cancelWatch === undefined) this.#watch(PATIENCE);
    } else if (this.synced) this.#stopWatch();
  }

  /** Opens the document again when nothing has come for `ms`, as long as something is missing. */
  #watch(ms: number): void {
    this.#stopWatch();
    const { progress } = this.#receiver;
    this.#cancelWatch = this.clock.after(ms, () => {
      this.#cancelWatch = undefined;
      const isWhole = this.synced && !this.#receiver.waiting;
      if (this.#hasEnded || !this.#port.connected || isWhole) return;
      if (this.#receiver.progress > progress) this.#watch(PATIENCE);
      else this.#open();
    });
  }

  #stopWatch(): void {
    this.#cancelWatch?.();
    this.#cancelWatch = undefined;
  }

  // --- the end ---

  #failed(error: unknown): void {
    const cause = { cause: error };
    this.#events.emit(
      "error",
      error instanceof SkeinError ? error : new SkeinError("bad_payload", `${this.name}: ${error}`, cause),
    );
  }

  #end(error: SkeinError | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#receiver.end();
    const reason = error ?? SkeinError.closed();
    this.#stopWatch();
    this.#idle.stop();
    this.#sender.end(reason);
    this.#first.reject(reason);
    // A document that the server has refused is not open there.
    this.#port.release(this.#isOpen || this.#opening !== undefined ? "doc_close" : undefined);
    this.#isOpen = false;
    for (const feed of [...this.#feeds]) error === undefined ? feed.end() : feed.fail(error);
    this.#events.emit("closed", error);
    this.#events.clear();
    this.#closing();
  }
}

function isTemporary(error: unknown): boolean {
  return error instanceof SkeinError && error.temporary;
}

function lost(): SkeinError {
  return SkeinError.temporary("connection_lost", "the connection is another one");
}

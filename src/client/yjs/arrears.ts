/**
 * Changes that were refused, so that the service lacks them: when the difference is to be sent, and how much of it at
 * once. What is written after them depends on them: until they are there, nothing else of this author is sent.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import type { SkeinError } from "../errors.ts";

/** Milliseconds after which something is tried again that was refused for a passing reason. */
const LATER = 30_000;

/** What the next attempt waits for. */
type Awaited = "nothing" | "room" | "time" | "change";

/** What is told of arrears. */
export interface ArrearsEvents {
  /** There are some now, or none any more. */
  changed(): void;
  /** The difference may be sent. */
  due(): void;
  /** It can never be sent: the least piece of it is too large. */
  hopeless(error: SkeinError): void;
}

/** An operation that was refused. */
export interface Refused {
  /** Its bytes. */
  readonly size: number;
  /** It was the difference, or a piece of it that is as small as can be for its limit. */
  readonly isDifference: boolean;
}

/** What the service lacks of one document because it was refused. */
export class Arrears {
  readonly #clock: Clock;
  readonly #events: ArrearsEvents;
  /** Undefined: there are none. */
  #awaited: Awaited | undefined;
  #limit = Infinity;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, events: ArrearsEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  /** There are none: changes go one by one. */
  get isEmpty(): boolean {
    return this.#awaited === undefined;
  }

  /** Nothing has to be waited for. */
  get isDue(): boolean {
    return this.#awaited === undefined || this.#awaited === "nothing";
  }

  /** Bytes that may be tried at once. */
  get limit(): number {
    return this.#limit;
  }

  /** An operation, or the snapshot that would make room for it, was refused. */
  refused(error: SkeinError, { size, isDifference }: Refused): void {
    const { error: name, temporary } = error;
    if (name === "doc_op_too_large" || name === "outbox_full" && !temporary) {
      if (isDifference && size > this.#limit) return this.#events.hopeless(error);
      this.#limit = Math.min(this.#limit, size / 2);
      this.#wait("nothing");
    } else if (name === "outbox_full") this.#wait("room");
    else this.#wait(temporary || isPassing(name) ? "time" : "change");
  }

  /** The outbox has room. */
  room(): void {
    if (this.#awaited === "room") this.retry();
  }

  /** The document was changed here. */
  edited(): void {
    if (this.#awaited === "change") this.#wait("nothing");
  }

  /** Whatever is waited for is over. */
  retry(): void {
    if (this.isDue) return;
    this.#wait("nothing");
    this.#events.due();
  }

  /** Nothing is missing at the service. */
  settled(): void {
    this.#limit = Infinity;
    this.#wait(undefined);
  }

  /** Nobody is called any more. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #wait(awaited: Awaited | undefined): void {
    this.stop();
    const wasEmpty = this.isEmpty;
    this.#awaited = awaited;
    if (awaited === "time") this.#cancel = this.#clock.after(LATER, () => this.retry());
    if (wasEmpty !== this.isEmpty) this.#events.changed();
  }
}

/** Said again as another operation it may be taken, though not as the same one. */
function isPassing(name: SkeinError["error"]): boolean {
  return ["dropped", "doc_op_given_up", "doc_snapshot_too_large", "message_too_large"].includes(name);
}

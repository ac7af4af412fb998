/**
 * The sender's side of a streamed message.
 *
 * @module
 */

import { deferred, handled } from "../../async/deferred.ts";
import type { Clock } from "../clock.ts";
import { SkeinError } from "../errors.ts";
import type { TransportManager } from "../transport_manager.ts";

/** What a message grows by: more of its text, or more elements of its list. */
export type StreamContent = string | readonly unknown[];

/** Options of `Channel.stream`. */
export interface StreamOptions {
  /** What the message says at first; it decides whether it is a text or a list. @default an empty text */
  readonly content?: StreamContent;
}

/** Milliseconds until a piece that was not taken for now is sent again, unless the server names a time. */
const AGAIN = 1000;
/** Characters or elements of one `message_append` at most. */
const MOST = 8192;
/** Characters or elements that wait at most. */
const MOST_WAITING = 1_000_000;

/** Begins a message that grows; see `Channel.stream`. */
export function openStream(
  manager: TransportManager,
  clock: Clock,
  channel: string,
  { content = "" }: StreamOptions,
): Promise<StreamWriter> {
  const said = typeof content === "string" ? { text: content } : { data: [...content] };
  const payload = { channel, ...said, stream: true };
  return handled(
    manager.send("chat_message", payload).then(({ offset, epoch }) =>
      new StreamWriter({ manager, clock, channel, target: offset, epoch, content })
    ),
  );
}

/** A call that waits until the message is so long at the server, and is over when `isFinal`. */
interface Waiting {
  readonly upTo: number;
  readonly isFinal: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/** What a writer is made of. */
interface Parts {
  readonly manager: TransportManager;
  readonly clock: Clock;
  readonly channel: string;
  readonly target: number;
  readonly epoch: string;
  readonly content: StreamContent;
}

/**
 * Makes a message longer. One piece is under way at a time and all that waits is the next one; it is sent again until
 * the server says how long the message is, so that each piece is in it once, whatever happens to connections.
 */
export class StreamWriter {
  readonly channel: string;
  /** The offset of the message. */
  readonly target: number;
  readonly #parts: Parts;
  readonly #isText: boolean;
  /** How long the message is at the server. */
  #length: number;
  #text = "";
  #list: unknown[] = [];
  #final: "ended" | "failed" | undefined;
  #waiting: Waiting[] = [];
  #busy = false;
  #error: SkeinError | undefined;

  /** Made by `Channel.stream`. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.channel = parts.channel;
    this.target = parts.target;
    this.#isText = typeof parts.content === "string";
    this.#length = parts.content.length;
  }

  /**
   * Adds to the message; resolves when the server has committed it. Rejects with the server's error (`stream_ended` when
   * it has ended the message meanwhile), `bad_argument` after `end` or `fail` and for a list in place of a text,
   * `outbox_full` when a million characters wait.
   */
  append(piece: StreamContent): Promise<void> {
    return handled(this.#add(piece, undefined));
  }

  /** All is said. Resolves when the server has committed everything. Rejects as `append` does. */
  end(piece?: StreamContent): Promise<void> {
    return handled(this.#add(piece ?? (this.#isText ? "" : []), "ended"));
  }

  /** Gives up: readers see what was said up to now, and that it is not all. */
  fail(): Promise<void> {
    return handled(this.#add(this.#isText ? "" : [], "failed"));
  }

  #add(piece: StreamContent, final: "ended" | "failed" | undefined): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#final !== undefined || (typeof piece === "string") !== this.#isText) {
      return Promise.reject(
        new SkeinError(
          "bad_argument",
          this.#final === undefined ? "a text or a list, as it began" : "it has ended",
        ),
      );
    }
    if (this.#unsent + piece.length > MOST_WAITING) {
      return Promise.reject(SkeinError.temporary("outbox_full", `${MOST_WAITING} wait`));
    }
    if (typeof piece === "string") this.#text += piece;
    else this.#list = this.#list.concat(structuredClone(piece));
    this.#final = final;
    const { promise, resolve, reject } = deferred<void>();
    this.#waiting.push({ upTo: this.#length + this.#unsent, isFinal: final !== undefined, resolve, reject });
    if (!this.#busy) void this.#send();
    return promise;
  }

  get #unsent(): number {
    return this.#isText ? this.#text.length : this.#list.length;
  }

  /** Sends until nothing waits; never rejects. */
  async #send(): Promise<void> {
    const { manager, clock, channel, target, epoch } = this.#parts;
    this.#busy = true;
    // What is added in this turn goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const count = this.#count();
      if (count === 0 && this.#final === undefined) break;
      const content = this.#isText
        ? { text: this.#text.slice(0, count) }
        : { data: this.#list.slice(0, count) };
      const isLast = this.#final !== undefined && count === this.#unsent;
      const payload = { channel, target, epoch, at: this.#length, ...content };
      try {
        await manager.send("message_append", isLast ? { ...payload, final: this.#final } : payload);
      } catch (error) {
        if (error instanceof SkeinError && error.temporary) {
          await new Promise<void>((resolve) => clock.after(error.retryAfter ?? AGAIN, resolve));
          continue;
        }
        return this.#stop(error as SkeinError);
      }
      this.#length += count;
      if (this.#isText) this.#text = this.#text.slice(count);
      else this.#list.splice(0, count);
      this.#settle(isLast);
    }
    this.#busy = false;
  }

  /** How much of what waits goes into the next message: never half of a character, which no UTF-8 holds. */
  #count(): number {
    const count = Math.min(MOST, this.#unsent);
    const isEnd = this.#final !== undefined && count === this.#unsent;
    const unit = this.#isText && count > 0 && !isEnd ? this.#text.charCodeAt(count - 1) : 0;
    return unit >= 0xd800 && unit < 0xdc00 ? count - 1 : count;
  }

  #settle(isLast: boolean): void {
    const open = this.#waiting;
    const isOpen = ({ upTo, isFinal }: Waiting): boolean => upTo > this.#length || (isFinal && !isLast);
    this.#waiting = open.filter(isOpen);
    for (const one of open) if (!this.#waiting.includes(one)) one.resolve();
  }

  #stop(error: SkeinError): void {
    this.#error = error;
    this.#busy = false;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

/**
 * Streamed messages among those that a component shows.
 *
 * @module
 */

import type { SkeinClient } from "../client.ts";
import type { HistoryResponse, StreamState } from "../../protocol/mod.ts";
import { StreamReader } from "../streams/reader.ts";
import type { StreamContent } from "../streams/writer.ts";

/** Streamed messages that are remembered: a piece may come before its message is shown. */
const MOST = 256;

interface Grown {
  readonly content: StreamContent;
  readonly stream: StreamState;
}

/** What is asked of a message that is shown. */
interface Placed {
  readonly offset: number;
  readonly edited: boolean;
  readonly deleted: boolean;
}

/** What the streamed messages of a channel say by now. */
export class Streamed {
  readonly #grown = new Map<number, Grown>();
  readonly #reader: StreamReader;

  /** `changed` is told the offset of each message that says more, or is over. */
  constructor(client: SkeinClient, channel: string, changed: (offset: number) => void) {
    this.#reader = new StreamReader(client, channel, ({ target, at, content, final }) => {
      const before = at === 0 ? undefined : this.#grown.get(target)?.content;
      // One that was forgotten is in the history.
      if (at > 0 && before === undefined) return;
      this.#grown.delete(target);
      this.#grown.set(target, {
        content: before === undefined ? content : joined(before, content),
        stream: final ?? "open",
      });
      if (this.#grown.size > MOST) this.#grown.delete(this.#grown.keys().next().value!);
      changed(target);
    });
  }

  /** Follows those of some messages of the history that are under way. */
  take(messages: HistoryResponse["messages"]): void {
    for (const message of messages) this.#reader.take(message);
  }

  /** A message with what it says by now. */
  apply<M extends Placed>(message: M): M {
    const grown = this.#grown.get(message.offset);
    if (grown === undefined || message.edited || message.deleted) return message;
    const { content, stream } = grown;
    return { ...message, ...(typeof content === "string" ? { text: content } : { data: content }), stream };
  }

  /** Ends it. */
  close(): void {
    this.#reader.close();
  }
}

function joined(before: StreamContent, added: StreamContent): StreamContent {
  return typeof before === "string" ? `${before}${added}` : [...before, ...added];
}

/**
 * Which streamed messages may still grow, as rows.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { OpenStreams, type StreamPlace } from "../local/open_streams.ts";

/**
 * The table of open streams. A row says only that a message may grow; when its sender was last heard of is known in
 * memory, so that a piece writes one row and not two. After a restart each sender has its whole patience again.
 */
export class StreamTable {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #forget: StatementSync;
  readonly #open: OpenStreams;

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(db: DatabaseSync, now: () => number) {
    this.#insert = db.prepare("REPLACE INTO stream VALUES(?, ?, ?)");
    this.#delete = db.prepare("DELETE FROM stream WHERE channel = ? AND target = ?");
    this.#forget = db.prepare("DELETE FROM stream WHERE channel = ?");
    this.#open = new OpenStreams(now);
    for (const { channel, target, patience } of db.prepare("SELECT * FROM stream").all()) {
      this.#open.touch(channel as string, target as number, patience as number);
    }
  }

  /** Writes that a message may grow. */
  insert(channel: string, target: number, patience: number): void {
    this.#insert.run(channel, target, Math.round(patience));
  }

  /** Writes that a message grows no more. */
  delete(channel: string, target: number): void {
    this.#delete.run(channel, target);
  }

  /** A commit began a message, or made it longer. */
  touch(channel: string, target: number, patience: number): void {
    this.#open.touch(channel, target, patience);
  }

  /** A commit ended a message. */
  remove(channel: string, target: number): void {
    this.#open.remove(channel, target);
  }

  /** Writes that the messages of a channel grow no more. */
  forget(channel: string): void {
    this.#forget.run(channel);
    this.#open.forget(channel);
  }

  /** Messages whose senders were silent for too long. */
  due(): StreamPlace[] {
    return this.#open.due();
  }
}

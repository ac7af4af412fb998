/**
 * What is to be kept, between the call and its commit.
 *
 * @module
 */

import { ProtocolError } from "../../protocol/mod.ts";
import type { Bookmark, Edit, NewRecord, Position, Published, Retention } from "../contract.ts";
import type { Channel } from "./channel.ts";
import type { Amended } from "./store.ts";

/** A publish that waits for its group to be committed. */
export interface Pending {
  readonly channel: string;
  readonly record: NewRecord;
  readonly body: string;
  readonly dedupeKey: string | undefined;
  readonly retention: Retention;
  readonly amend: readonly Edit[];
  readonly resolve: (published: Published) => void;
  readonly reject: (error: unknown) => void;
  /** What the transaction did. */
  result: PendingResult | undefined;
}

/** A bookmark that waits for its group to be committed. */
export interface PendingMark {
  readonly channel: string;
  readonly name: string;
  readonly mark: Bookmark;
  readonly resolve: (kept: Position) => void;
  readonly reject: (error: unknown) => void;
  /** What is kept under that name after the transaction. */
  result: Position | undefined;
}

/** What became of a publish in its transaction. */
export interface PendingResult {
  readonly channel: Channel;
  readonly offset: number;
  readonly duplicate: boolean;
  /** The messages it amended. */
  readonly amended?: readonly Amended[];
}

/** What publishers are told when the database cannot be written or read. */
export function unavailable(cause: unknown): ProtocolError {
  return new ProtocolError("not_available", "messages cannot be stored or read now", { cause });
}

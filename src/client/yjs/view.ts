/**
 * The Yjs documents that are kept in step.
 *
 * @module
 */

import type * as Y from "yjs";
import type { SkeinError } from "../errors.ts";
import type { Yjs } from "./copies.ts";

/** A Yjs document that is kept in step, and what its provider is told. */
export interface View {
  readonly doc: Y.Doc;
  /** The copy of Yjs that made it. */
  readonly yjs: Yjs;
  /** The origin of what is put into it. */
  readonly origin: unknown;
  /** A snapshot is made each time so many operations have come. */
  readonly compactAfter: number;
  /** Everything that the server had is in the document. */
  caughtUp(): void;
  /** Whether the document is in step with the server. */
  synced(isSynced: boolean): void;
  /** The server keeps a snapshot. */
  compacted(offset: number): void;
  /** The Skein document is closed, and why, when it was not the application. */
  closed(error: SkeinError | undefined): void;
}

/** Puts updates into a document. Its clean-up is what a transaction costs, whatever is in it. */
export function put({ doc, yjs, origin }: View, updates: readonly Uint8Array[]): void {
  if (updates.length === 0) return;
  try {
    yjs.transact(
      doc,
      () => updates.forEach((update) => yjs.applyUpdate(doc, update, origin)),
      origin,
      false,
    );
  } catch (error) {
    // The updates are in: Yjs tells the application's observers afterwards, and throws what they throw.
    console.error("an observer of the Yjs document failed", error);
  }
}

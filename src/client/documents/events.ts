/**
 * What a document is made with and what it tells the application.
 *
 * @module
 */

import type { SkeinError } from "../errors.ts";
import type { Position } from "../session/inbox.ts";
import type { Cipher } from "./encryption.ts";

/** Options of a document. */
export interface DocumentOptions {
  /** Seals what is sent and opens what comes (`DocumentKey`). @default nothing is encrypted */
  readonly key?: Cipher;
  /** What the application has of the document already: only what comes after it is told. @default nothing */
  readonly since?: Position;
  /** Milliseconds without an operation after which the document's lane is closed. @default 300000 */
  readonly idle?: number;
}

/** An operation of the document. */
export interface Operation {
  readonly data: Uint8Array;
  /** The sender's user id. */
  readonly from: string;
  /** It was sent by this `Document`. */
  readonly own: boolean;
  readonly offset: number;
  /** The offset of the message before it. */
  readonly prev: number;
  /** Milliseconds since the epoch, at the server. */
  readonly timestamp: number;
}

/** Events of a document. */
export interface DocumentEvents {
  /** The document begins here: with a snapshot, or with nothing. Operations after it follow. */
  reset: { readonly data: Uint8Array | undefined };
  /** An operation, once and in order. */
  operation: Operation;
  /** Everything that the server had when the document was opened, or opened again, has been told. */
  synced: Position;
  /** What somebody else does; of each session only the newest counts. */
  awareness: { readonly data: Uint8Array; readonly from: string; readonly session: string };
  /** The connection is gone: what is sent waits. `synced` says when it is back. */
  offline: void;
  /** The server takes no operations until somebody makes a snapshot. */
  full: void;
  /** The client's outbox has room again, after it had none for an operation. */
  room: void;
  /**
   * Something came that cannot be read, or something was refused: an operation by the outbox or the server, a snapshot for
   * good.
   */
  error: SkeinError;
  /** The document is closed, and why, when it was not the application. */
  closed: SkeinError | undefined;
}

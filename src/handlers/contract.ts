/**
 * What handlers need of other parts of the service.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import type { MaybePromise } from "../engine/contract.ts";
import type { Hub } from "../hub/mod.ts";
import type { PeerRelayCredentialsResponse, PeerReport } from "../protocol/mod.ts";
import type { FileService } from "./files_parts.ts";

/** Bounds of documents. */
export interface DocumentLimits {
  /** Bytes of operations that no snapshot covers; above it there is `doc_full`. @default 8388608 */
  readonly maxPending: number;
  /** Bytes of a snapshot. @default 16777216 */
  readonly maxSnapshot: number;
}

/** What handlers need of the part that knows STUN and TURN servers. */
export interface PeerService {
  /** The servers, with credentials for a session. */
  servers(sessionId: string): PeerRelayCredentialsResponse;
  /** Counts what a peer says of an attempt. */
  report(report: PeerReport): void;
}

/** What handlers need of the part that deletes documents. */
export interface DocumentDeletion {
  /** Who made a document. */
  owner(channel: string): Promise<string | undefined>;
  /** Throws or rejects with ProtocolError `unknown_channel` for a document that was deleted. */
  refuseDeleted(channel: string): MaybePromise<void>;
  /** Deletes it for everybody; false: nothing was kept of it. */
  delete(channel: string): Promise<boolean>;
}

/** What handlers need of others. */
export interface HandlerParts {
  readonly hub: Hub;
  /** @default files are refused */
  readonly files?: FileService;
  /** @default documents cannot be deleted */
  readonly deletion?: DocumentDeletion;
  /** @default no STUN or TURN servers are known, and nothing is counted */
  readonly peers?: PeerService;
  /** Asked for each use. @default 8 MiB of operations, 16 MiB of snapshot */
  readonly documents?: () => DocumentLimits;
  /** Milliseconds that the answer to a call may take; asked for each use. @default 10000 */
  readonly rpcTimeout?: () => number;
  /** Milliseconds that a client may take to make room for the next part of a snapshot. @default 30000 */
  readonly openPatience?: number;
  /** The clock of calls, of replays and of operations in parts. @default the runtime's clock */
  readonly clock?: Clock;
}

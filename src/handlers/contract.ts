/**
 * What handlers are made with: other parts of the service, and bounds.
 *
 * @module
 */

import type { Hub } from "../hub/mod.ts";
import type { Report } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { FileService } from "./files_parts.ts";

/** Where handlers leave what clients say about their own experience. */
export interface Reports {
  /** The round trip as the client measured it, in milliseconds. */
  rtt(client: Client, ms: number): void;
  /** A `client_report`. */
  report(client: Client, report: Report): void;
}

/** Bounds of documents. */
export interface DocumentLimits {
  /** Bytes of operations that no snapshot covers; above it there is `doc_full`. @default 8388608 */
  readonly maxPending: number;
  /** Bytes of a snapshot. @default 16777216 */
  readonly maxSnapshot: number;
}

/** Where replays take their time from. */
export interface ReplayClock {
  /** Milliseconds; only differences count. */
  now(): number;
  /** Resolves after `ms`. */
  sleep(ms: number): Promise<void>;
}

/** What handlers need of others. */
export interface HandlerParts {
  readonly hub: Hub;
  /** @default nobody is told */
  readonly reports?: Reports;
  /** Bytes of a message on a client's connection, as it was told; answers are cut to fit. @default 65536 */
  readonly maxMessage?: (client: Client) => number;
  /** @default files are refused */
  readonly files?: FileService;
  /** Asked each time it matters. @default 8 MiB of operations, 16 MiB of snapshot */
  readonly documents?: () => DocumentLimits;
  /** Milliseconds a client that opens a document may take to make room for more of its snapshot. @default 30000 */
  readonly openPatience?: number;
  /** @default the runtime's */
  readonly replayClock?: ReplayClock;
}

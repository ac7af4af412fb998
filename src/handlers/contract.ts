/**
 * What handlers need of other parts of the service.
 *
 * @module
 */

import { delay } from "../async/deadline.ts";
import type { Hub } from "../hub/mod.ts";
import type { Report } from "../protocol/mod.ts";
import type { Client } from "../router/types.ts";
import type { FileService } from "./files_parts.ts";

/** Takes what clients measure. */
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

/** A clock that never goes back. */
export interface Clock {
  /** Milliseconds; only differences count. */
  now(): number;
  /** Resolves after `ms`. */
  sleep(ms: number): Promise<void>;
}

/** The clock of the runtime. */
export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms) => delay(ms),
};

/** What handlers need of others. */
export interface HandlerParts {
  readonly hub: Hub;
  /** @default what clients measure is ignored */
  readonly reports?: Reports;
  /** Bytes of a message that a client was told its connection takes; answers are cut to fit. @default 65536 */
  readonly maxMessage?: (client: Client) => number;
  /** @default files are refused */
  readonly files?: FileService;
  /** Asked for each use. @default 8 MiB of operations, 16 MiB of snapshot */
  readonly documents?: () => DocumentLimits;
  /** Milliseconds that a client may take to make room for the next part of a snapshot. @default 30000 */
  readonly openPatience?: number;
  /** The clock of replays and of operations in parts. @default the runtime's clock */
  readonly clock?: Clock;
}

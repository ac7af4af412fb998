/**
 * The sections `documents` and `rpc` of the configuration.
 *
 * @module
 */

import * as v from "valibot";
import { duration, size } from "../config/setting.ts";

/** `documents`: channels `doc:*`. */
const documents = v.strictObject({
  maxPending: v.optional(
    size(
      1024,
      2 ** 30,
      "Bytes of operations of one document that no snapshot covers; above it operations are answered with `doc_full` until a client sends a snapshot.",
    ),
    "8MiB",
  ),
  maxSnapshot: v.optional(size(1024, 2 ** 28, "Bytes of a document's snapshot."), "16MiB"),
});

/** `rpc`: calls of clients that the application answers. */
const rpc = v.strictObject({
  timeout: v.optional(
    duration(100, 120_000, "How long the answer to a call of a client may take."),
    "10s",
  ),
});

/** What a configuration may hold. */
export const section = { documents: v.optional(documents, {}), rpc: v.optional(rpc, {}) };

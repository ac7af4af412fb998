/**
 * The section `documents` of the configuration.
 *
 * @module
 */

import * as v from "valibot";
import { size } from "../config/setting.ts";

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

/** What a configuration may hold. */
export const section = { documents: v.optional(documents, {}) };

/**
 * Files: uploads that may be interrupted, contents kept by hash in a directory, links, quotas, expiry. Knows no
 * connection and no channel's rights.
 *
 * @module
 */

export type * from "./contract.ts";
export { disposition, mediaType, safeName, servedType } from "./names.ts";
export { isKnown, parseRange, rangeCounts } from "./range.ts";
export { chunkSize } from "./rules.ts";
export { FileStore } from "./store.ts";
export type { Upload } from "./upload.ts";

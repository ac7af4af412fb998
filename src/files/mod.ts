/**
 * Files: uploads that may be interrupted, contents kept by hash in a directory, links, quotas, expiry. Knows no
 * connection and no channel's rights.
 *
 * @module
 */

export type * from "./contract.ts";
export { disposition, isShown, mediaType, safeName, servedType, UNKNOWN_TYPE } from "./names.ts";
export { type ByteRange, isKnown, parseRange, rangeCounts } from "./range.ts";
export { chunkSize } from "./rules.ts";
export { FileStore, type FileStoreOptions } from "./store.ts";
export type { Upload } from "./upload.ts";

/**
 * Files: the rules of uploads, downloads and links. What is kept is the engine's; connections and the rights of channels
 * are not known here.
 *
 * @module
 */

export type * from "./contract.ts";
export { disposition, mediaType, safeName, servedType } from "./names.ts";
export { isKnown, parseRange, rangeCounts } from "./range.ts";
export { chunkSize } from "./rules.ts";
export { FileStore } from "./store.ts";
export type { Upload } from "./upload.ts";

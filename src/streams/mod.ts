/**
 * Frames on byte streams, for server and client alike: a reader that parses in place and a writer that
 * batches. Nothing here knows what carries the bytes.
 *
 * @module
 */

export * from "./high_water.ts";
export * from "./reader.ts";
export * from "./writer.ts";

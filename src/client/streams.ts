/**
 * Messages that grow while they are written, as a part of its own: `Channel.stream` writes one, `readStreams` reads
 * those of a channel.
 *
 * @module
 */

export { readStreams, type ReadStreamsOptions, type StreamPiece } from "./streams/reader.ts";

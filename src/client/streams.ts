/**
 * Messages that grow while they are written, as a part of its own: `openStream` writes one, `readStreams` reads those of
 * a channel.
 *
 * @module
 */

export { readStreams, type ReadStreamsOptions, type StreamPiece } from "./streams/reader.ts";
export { openStream, type OpenStreamOptions, type StreamContent, StreamWriter } from "./streams/writer.ts";

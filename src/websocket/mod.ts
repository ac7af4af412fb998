/**
 * WebSocket (RFC 6455) for servers, on a byte stream: frames, the opening and the closing handshake, compression
 * (RFC 7692), with limits from the first byte.
 *
 * @module
 */

export { WebSocketConnection } from "./connection.ts";
export { WebSocketError } from "./errors.ts";
export { encodeBinary, encodeText } from "./frame_writer.ts";
export { handshake } from "./handshake.ts";

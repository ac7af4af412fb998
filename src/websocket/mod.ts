/**
 * WebSocket (RFC 6455) for servers, on a byte stream: frames, the opening and the closing handshake, compression
 * (RFC 7692), with limits from the first byte.
 *
 * @module
 */

export {
  type ByteSocket,
  type WebSocketClose,
  WebSocketConnection,
  type WebSocketHandler,
  type WebSocketOptions,
} from "./connection.ts";
export { CLOSE, WebSocketError } from "./errors.ts";
export { type FrameHandler, FrameReader, type Inflate } from "./frame_reader.ts";
export { encodeClose, encodeFrame, encodeText, OPCODE } from "./frame_writer.ts";
export { type Handshake, handshake, type HandshakeOptions, type UpgradeRequest } from "./handshake.ts";

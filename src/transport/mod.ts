/**
 * Message connections: lanes over QUIC and WebTransport, and WebSocket.
 *
 * @module
 */

export * from "./contract.ts";
export { QuicMessageConnection } from "./quic.ts";
export { DenoServerWebSocket } from "./deno_websocket.ts";
export type { ServerWebSocket } from "./server_websocket.ts";
export { StreamServerWebSocket } from "./stream_websocket.ts";
export { WebSocketMessageConnection } from "./websocket.ts";

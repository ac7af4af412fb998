/**
 * Message connections: lanes over QUIC and WebTransport, WebSocket, and an in-memory pair.
 *
 * @module
 */

export * from "./contract.ts";
export { memoryPair, type MemoryPeer } from "./memory.ts";
export { QuicMessageConnection } from "./quic.ts";
export { DenoServerWebSocket } from "./deno_websocket.ts";
export type { ServerWebSocket, ServerWebSocketHandler } from "./server_websocket.ts";
export { StreamServerWebSocket } from "./stream_websocket.ts";
export { WebSocketMessageConnection } from "./websocket.ts";

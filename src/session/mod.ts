/**
 * Connections and sessions: handshake, limits, heartbeat, outbox, resume.
 *
 * @module
 */

export { ClientConnection } from "./connection.ts";
export * from "./contract.ts";
export { hostOf } from "./admission.ts";
export { Sessions } from "./sessions.ts";

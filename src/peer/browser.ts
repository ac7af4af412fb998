/**
 * What peers in browsers have in common with those over QUIC: who they are, and how a connection lives. Holds nothing of
 * Deno.
 *
 * @module
 */

export { isAddress } from "./address.ts";
export { decodeBase64Url, encodeBase64Url, randomText } from "./base64url.ts";
export { PeerError, type PeerErrorCode } from "./errors.ts";
export { checkIntroduction, isPeerId, type PeerId, PeerIdentity } from "./identity.ts";
export { checkPatience, type PathInfo, PeerConnection } from "./peer_connection.ts";
export type * from "./ports.ts";
export { backoff, type PeerState } from "./state.ts";

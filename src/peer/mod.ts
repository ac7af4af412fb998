/**
 * Connections between peers, straight through NATs where that is possible: STUN, hole punching, TURN, and QUIC over
 * whatever path there is. Knows nothing of messages; signalling is brought by the user. Needs Deno with
 * `"unstable": ["net"]`.
 *
 * @module
 */

export type { Address } from "./address.ts";
export type { Discovery } from "./discovery.ts";
export * from "./errors.ts";
export { isPeerId, type PeerId, PeerIdentity } from "./identity.ts";
export { type KnownPeer, KnownPeers, type KnownPeersOptions, type KnownPeerStore } from "./known_peers.ts";
export { knownPeersFile } from "./known_peers_file.ts";
export { LanSignalling, type LanSignallingOptions } from "./lan/signalling.ts";
export {
  type Dependence,
  type NatBehaviour,
  type NatType,
  natType,
  type Prediction,
  predictPath,
} from "./nat.ts";
export { PeerNode } from "./node.ts";
export type { PeerConnectOptions, PeerNodeOptions } from "./node_options.ts";
export { type PathInfo, PeerConnection, type PeerConnectionEvents } from "./peer_connection.ts";
export type { PathKind } from "./path_selector.ts";
export type * from "./ports.ts";
export { firstOf } from "./signalling_chain.ts";
export { type ProbeOptions, probeServers, type ServerProbe } from "./probe.ts";
export type { PeerState } from "./state.ts";
export type { UdpOptions } from "./udp_socket.ts";

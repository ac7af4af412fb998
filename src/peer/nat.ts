/**
 * What kind of NAT a machine is behind (RFC 4787, RFC 5780), and what that means for two of them. Pure.
 *
 * @module
 */

/**
 * How a NAT chooses outside ports, or lets packets in:
 *
 * - `none`: there is no NAT (mapping), or nothing is kept out (filtering).
 * - `endpoint_independent`: the same for every destination; anybody may answer.
 * - `address`: by address of the other side.
 * - `address_and_port`: by address and port of the other side.
 * - `unknown`: it could not be found out.
 */
export type Dependence = "none" | "endpoint_independent" | "address" | "address_and_port" | "unknown";

/** How the NAT behaves. */
export interface NatBehaviour {
  readonly mapping: Dependence;
  readonly filtering: Dependence;
}

/** The names people know (RFC 3489). */
export type NatType =
  | "open"
  | "full cone"
  | "restricted cone"
  | "port-restricted cone"
  | "symmetric"
  | "udp blocked"
  | "unknown";

/** The name of a behaviour; undefined: no answer came over UDP. */
export function natType(behaviour: NatBehaviour | undefined): NatType {
  if (behaviour === undefined) return "udp blocked";
  const { mapping, filtering } = behaviour;
  if (mapping === "unknown") return "unknown";
  if (mapping === "address" || mapping === "address_and_port") return "symmetric";
  if (mapping === "none" && filtering === "none") return "open";
  if (filtering === "address") return "restricted cone";
  if (filtering === "address_and_port" || filtering === "unknown") return "port-restricted cone";
  return "full cone";
}

/** Which path two peers will find. */
export type Prediction = "direct" | "relayed" | "unknown";

/**
 * Which path two peers will find. A direct one fails where one side's outside port cannot be known in advance (its
 * mapping depends on the destination) and the other side lets in only the port that it sent to.
 */
export function predictPath(a: NatBehaviour | undefined, b: NatBehaviour | undefined): Prediction {
  if (a === undefined || b === undefined) return "unknown";
  if (a.mapping === "unknown" || b.mapping === "unknown") return "unknown";
  return meets(a, b) && meets(b, a) ? "direct" : "relayed";
}

/** Whether `to` lets in what `from` sends, once it has sent to what it was told of `from`. */
function meets(from: NatBehaviour, to: NatBehaviour): boolean {
  const portIsKnown = from.mapping === "none" || from.mapping === "endpoint_independent";
  const keepsOutOtherPorts = to.filtering === "address_and_port" || to.filtering === "unknown";
  // Where `to` has an open port itself, `from` reaches it first and is answered where it came from.
  return portIsKnown || !keepsOutOtherPorts;
}

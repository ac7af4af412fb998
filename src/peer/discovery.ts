/**
 * Finds out how the NAT in front of this machine behaves (RFC 5780 §4), with a STUN server that has two addresses.
 *
 * @module
 */

import type { Clock } from "../async/clock.ts";
import { type Address, sameAddress } from "./address.ts";
import type { Dependence, NatBehaviour } from "./nat.ts";
import type { DatagramSocket } from "./ports.ts";
import { changeRequest, mappedAddress, plainAddressOf } from "./stun/attributes.ts";
import { ATTRIBUTE, type Attribute, type DecodedMessage, decodeStun } from "./stun/message.ts";
import { Transactions } from "./stun/transactions.ts";

/** What was found. */
export interface Discovery {
  readonly behaviour: NatBehaviour;
  /** Our address as the server sees it. */
  readonly mapped: Address;
}

/** What discovery works with. */
export interface DiscoveryOptions {
  /** A socket that has sent nothing yet: what it sent before would open the filter that is to be measured. It is closed. */
  readonly socket: DatagramSocket;
  /** STUN servers; the first one that answers is asked, and the second one where it has one address only. */
  readonly servers: readonly Address[];
  /** Addresses of this machine's interfaces. */
  readonly local: readonly string[];
  readonly clock: Clock;
  /** Nobody wants to know any more. */
  readonly signal?: AbortSignal;
}

/** Asks, 300 ms apart at first, so that one lost packet does not decide: silence is an answer here. */
const PATIENCE = { firstPause: 150, attempts: 3 };

/** Undefined: no server answers over UDP. Takes about a second behind a NAT that filters. */
export async function discoverNat(options: DiscoveryOptions): Promise<Discovery | undefined> {
  const { socket, signal } = options;
  const transactions = new Transactions(options.clock);
  socket.onDatagram((bytes) => {
    const message = decodeStun(bytes);
    if (message !== undefined) transactions.take(message);
  });
  const ask = async (to: Address, ...attributes: Attribute[]): Promise<DecodedMessage | undefined> => {
    const send = (bytes: Uint8Array): void => void socket.send(bytes, to);
    try {
      return await transactions.request(
        { method: "binding", attributes: () => attributes },
        send,
        PATIENCE,
      );
    } catch {
      return undefined;
    }
  };
  const aborted = (): void => transactions.close();
  signal?.addEventListener("abort", aborted);
  if (signal?.aborted) aborted();
  try {
    return await discover(options, ask);
  } finally {
    signal?.removeEventListener("abort", aborted);
    transactions.close();
    await socket.close();
  }
}

type Ask = (to: Address, ...attributes: Attribute[]) => Promise<DecodedMessage | undefined>;

async function discover(options: DiscoveryOptions, ask: Ask): Promise<Discovery | undefined> {
  const { servers, local, socket } = options;
  for (const [i, server] of servers.entries()) {
    const answer = await ask(server);
    const mapped = answer && mappedAddress(answer);
    if (mapped === undefined) continue;
    const open = mapped.port === socket.address.port && local.includes(mapped.hostname);
    const other = plainAddressOf(answer!, ATTRIBUTE.otherAddress);
    // Filtering first: the packets that measure the mapping open the filter.
    const filtering = other === undefined ? "unknown" : await findFiltering(server, open, ask);
    const second = other ?? servers.slice(i + 1).find(({ hostname }) => hostname !== server.hostname);
    const mapping = open ? "none" : await findMapping(server, second, mapped, ask);
    return { behaviour: { mapping, filtering }, mapped };
  }
  return undefined;
}

async function findFiltering(server: Address, open: boolean, ask: Ask): Promise<Dependence> {
  const [fromElsewhere, fromOtherPort] = await Promise.all([
    ask(server, changeRequest({ ip: true, port: true })),
    ask(server, changeRequest({ ip: false, port: true })),
  ]);
  if (fromElsewhere !== undefined) return open ? "none" : "endpoint_independent";
  return fromOtherPort === undefined ? "address_and_port" : "address";
}

async function findMapping(
  server: Address,
  other: Address | undefined,
  first: Address,
  ask: Ask,
): Promise<Dependence> {
  if (other === undefined) return "unknown";
  const elsewhere = await ask({ hostname: other.hostname, port: server.port });
  const second = elsewhere && mappedAddress(elsewhere);
  if (second !== undefined && sameAddress(first, second)) return "endpoint_independent";
  const again = await ask(other);
  const third = again && mappedAddress(again);
  if (third === undefined) return "unknown";
  if (second === undefined) return sameAddress(first, third) ? "endpoint_independent" : "unknown";
  return sameAddress(second, third) ? "address" : "address_and_port";
}

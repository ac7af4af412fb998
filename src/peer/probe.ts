/**
 * Asks each STUN and TURN server whether it is there, for programs that tell people what is wrong.
 *
 * @module
 */

import { type Clock, systemClock } from "../async/clock.ts";
import { deadline } from "../async/deadline.ts";
import { type Address, familyOf } from "./address.ts";
import { PeerError } from "./errors.ts";
import { stunAddress } from "./gather.ts";
import type { MeetingServers, RelayServer } from "./ports.ts";
import { mappedAddress } from "./stun/attributes.ts";
import { decodeStun } from "./stun/message.ts";
import { Transactions } from "./stun/transactions.ts";
import { allocate } from "./turn/allocation.ts";
import { openCarrier } from "./turn/carrier.ts";
import { parseServerUrl } from "./turn/url.ts";
import { openUdpSocket } from "./udp_socket.ts";

/** Milliseconds a server has. */
const TIMEOUT = 5_000;

/** What became of one server. */
export interface ServerProbe {
  readonly url: string;
  readonly transport: "udp" | "tcp" | "tls";
  /** What was got: the address that a STUN server sees of us, or the one that a TURN server relays from. */
  readonly address?: Address;
  /** Milliseconds it took: one round trip for STUN, connecting and an allocation for TURN. */
  readonly ms?: number;
  /** Why there is no address. */
  readonly error?: PeerError;
}

/** Options of `probeServers`. */
export interface ProbeOptions {
  /** Certificate authorities in PEM to trust for TURN over TLS besides the runtime's. */
  readonly caCerts?: readonly string[];
  /** @default the runtime's */
  readonly clock?: Clock;
}

/** Asks all servers at once, each within 5 s. TURN allocations are given back. Never rejects. */
export function probeServers(
  servers: Pick<MeetingServers, "stun" | "turn">,
  options: ProbeOptions = {},
): Promise<ServerProbe[]> {
  const { caCerts, clock = systemClock } = options;
  return Promise.all([
    ...servers.stun.map((url) => probe(url, clock, () => askStun(url, clock))),
    ...servers.turn.map((server) => probe(server.url, clock, () => askTurn(server, clock, caCerts))),
  ]);
}

async function probe(url: string, clock: Clock, ask: () => Promise<Address>): Promise<ServerProbe> {
  const start = clock.now();
  let transport: ServerProbe["transport"] = "udp";
  try {
    ({ transport } = parseServerUrl(url));
    const late = () => new PeerError("server_timeout", `no answer within ${TIMEOUT / 1000} s`);
    const address = await deadline(ask(), TIMEOUT, late, { timers: clock });
    return { url, transport, address, ms: clock.now() - start };
  } catch (cause) {
    const error = cause instanceof PeerError
      ? cause
      : new PeerError("server_timeout", (cause as Error).message, { cause });
    return { url, transport, error };
  }
}

async function askStun(url: string, clock: Clock): Promise<Address> {
  const server = await stunAddress(url);
  const transactions = new Transactions(clock);
  const socket = openUdpSocket({ hostname: familyOf(server.hostname) === "ipv6" ? "::" : "0.0.0.0" });
  try {
    socket.onDatagram((bytes) => {
      const message = decodeStun(bytes);
      if (message !== undefined) transactions.take(message);
    });
    const send = (bytes: Uint8Array): void => void socket.send(bytes, server);
    const body = { method: "binding" as const, attributes: () => [] };
    const address = mappedAddress(await transactions.request(body, send, { attempts: 4 }));
    if (address === undefined) throw new PeerError("server_timeout", "the server named no address");
    return address;
  } finally {
    transactions.close();
    await socket.close();
  }
}

async function askTurn(
  { url, username, credential }: RelayServer,
  clock: Clock,
  caCerts: readonly string[] | undefined,
): Promise<Address> {
  const carrier = await openCarrier(parseServerUrl(url), caCerts === undefined ? {} : { caCerts });
  const relay = await allocate({ carrier, username, credential, clock });
  await relay.close();
  return relay.address;
}

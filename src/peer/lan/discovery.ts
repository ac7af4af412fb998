/**
 * Finds peers on the local network by multicast DNS (RFC 6762, RFC 6763), and tells them of this one.
 *
 * @module
 */

import type { Clock } from "../../async/clock.ts";
import { type Deferred, quietDeferred } from "../../async/deferred.ts";
import { type Address, familyOf } from "../address.ts";
import { PeerError } from "../errors.ts";
import { isPeerId, type PeerId } from "../identity.ts";
import type { DatagramSocket } from "../ports.ts";
import { decodeDns, type DnsMessage, type DnsRecord, encodeDns, RECORD_TYPE } from "./dns.ts";

/** The group and port of multicast DNS. */
export const MULTICAST: Address = { hostname: "224.0.0.251", port: 5353 };
const SERVICE = "_skein-peer._tcp.local";

/** Options of the discovery. */
export interface LanDiscoveryOptions {
  /** Has joined the group. Its owner closes it. */
  readonly socket: DatagramSocket;
  readonly clock: Clock;
  readonly self: PeerId;
  /** Where signals are taken: a TCP port. */
  readonly port: number;
  /** IP addresses of this machine. */
  readonly addresses: () => readonly string[];
}

/** Seconds that others may keep what they are told. */
const TTL = 120;
/** A question is asked again after so many ms, and given up after the last. */
const ASK_AGAIN = [250, 750, 1_500] as const;
/** Peers remembered; anybody on the network can tell of more. */
const MAX_KNOWN = 256;
/** Addresses of one peer. */
const MAX_ADDRESSES = 8;

interface Known {
  readonly addresses: readonly Address[];
  readonly until: number;
}

/** Knows the peers of the local network. */
export class LanDiscovery {
  readonly #options: LanDiscoveryOptions;
  readonly #known = new Map<PeerId, Known>();
  readonly #asked = new Map<PeerId, Deferred<readonly Address[]>>();
  readonly #timers = new Set<() => void>();
  #closed = false;

  constructor(options: LanDiscoveryOptions) {
    this.#options = options;
    options.socket.onDatagram((bytes) => {
      const message = decodeDns(bytes);
      if (message !== undefined && !this.#closed) this.#take(message);
    });
    this.#announce(TTL);
    this.#send({ isResponse: false, questions: [{ name: SERVICE, type: RECORD_TYPE.ptr }], records: [] });
  }

  /** The peers that have been heard of and are not forgotten. */
  peers(): PeerId[] {
    const now = this.#options.clock.now();
    return [...this.#known].filter(([, { until }]) => until > now).map(([peer]) => peer);
  }

  /** Where a peer takes signals. Rejects with PeerError `peer_unreachable` when nobody answers. */
  find(peer: PeerId): Promise<readonly Address[]> {
    const known = this.#known.get(peer);
    if (known !== undefined && known.until > this.#options.clock.now()) {
      return Promise.resolve(known.addresses);
    }
    const asked = this.#asked.get(peer);
    if (asked !== undefined) return asked.promise;
    const made = quietDeferred<readonly Address[]>();
    this.#asked.set(peer, made);
    this.#ask(peer, made, 0);
    return made.promise;
  }

  /** Forgets where a peer was: it is not there any more. */
  forget(peer: PeerId): void {
    this.#known.delete(peer);
  }

  /** Says goodbye. */
  close(): void {
    if (this.#closed) return;
    this.#announce(0);
    this.#closed = true;
    for (const cancel of this.#timers) cancel();
    for (const { reject } of this.#asked.values()) reject(new PeerError("closed"));
  }

  #ask(peer: PeerId, made: Deferred<readonly Address[]>, attempt: number): void {
    if (this.#asked.get(peer) !== made) return;
    const pause = ASK_AGAIN[attempt];
    if (pause === undefined) {
      this.#asked.delete(peer);
      return made.reject(new PeerError("peer_unreachable", "the peer is not on the local network"));
    }
    this.#send({
      isResponse: false,
      questions: [{ name: `${peer}.${SERVICE}`, type: RECORD_TYPE.any }],
      records: [],
    });
    this.#after(pause, () => this.#ask(peer, made, attempt + 1));
  }

  #take({ isResponse, questions, records }: DnsMessage): void {
    if (isResponse) return this.#heard(records);
    const own = `${this.#options.self}.${SERVICE}`;
    if (questions.some(({ name }) => name === SERVICE || name === own)) this.#announce(TTL);
  }

  #heard(records: readonly DnsRecord[]): void {
    for (const record of records) {
      if (record.type !== RECORD_TYPE.srv || !record.name.endsWith(`.${SERVICE}`)) continue;
      const peer = record.name.slice(0, -SERVICE.length - 1);
      if (!isPeerId(peer) || peer === this.#options.self) continue;
      const addresses = records.flatMap((other): Address[] =>
        "address" in other && other.name === record.target && familyOf(other.address) === "ipv4"
          ? [{ hostname: other.address, port: record.port }]
          : []
      );
      this.#learn(peer, addresses.slice(0, MAX_ADDRESSES), record.ttl);
    }
  }

  #learn(peer: PeerId, addresses: readonly Address[], ttl: number): void {
    this.#known.delete(peer);
    if (addresses.length === 0 || ttl === 0) return;
    this.#known.set(peer, { addresses, until: this.#options.clock.now() + Math.min(ttl, TTL) * 1000 });
    // The one heard of longest ago gives way.
    if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#asked.get(peer)?.resolve(addresses);
    this.#asked.delete(peer);
  }

  #announce(ttl: number): void {
    const { self, port, addresses } = this.#options;
    const name = `${self}.${SERVICE}`;
    const own = addresses().filter((address) => familyOf(address) === "ipv4").slice(0, MAX_ADDRESSES);
    this.#send({
      isResponse: true,
      questions: [],
      records: [
        { name: SERVICE, type: RECORD_TYPE.ptr, ttl, target: name },
        { name, type: RECORD_TYPE.srv, ttl, target: name, port },
        ...own.map((address): DnsRecord => ({ name, type: RECORD_TYPE.a, ttl, address })),
      ],
    });
  }

  #send(message: DnsMessage): void {
    void this.#options.socket.send(encodeDns(message), MULTICAST);
  }

  #after(ms: number, run: () => void): void {
    const cancel = this.#options.clock.after(ms, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
  }
}

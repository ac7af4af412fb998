/**
 * A TURN allocation: an address of the server's that relays datagrams to and from us (RFC 8656).
 *
 * @module
 */

import { attempt } from "../../async/deferred.ts";
import { type Address, type Family, formatAddress } from "../address.ts";
import { PeerError } from "../errors.ts";
import type { DatagramListener, DatagramSocket } from "../ports.ts";
import {
  addressAttribute,
  familyAttribute,
  mappedAddress,
  numberAttribute,
  numberOf,
  transportAttribute,
  xorAddress,
} from "../stun/attributes.ts";
import { ATTRIBUTE, attributeOf, decodeStun, encodeStun, transactionId } from "../stun/message.ts";
import type { RequestOptions } from "../stun/transactions.ts";
import {
  CHANNEL_HEADER,
  decodeChannelData,
  encodeChannelData,
  FIRST_CHANNEL,
  isChannelData,
  LAST_CHANNEL,
} from "./channel_data.ts";
import { TurnClient, type TurnClientOptions } from "./turn_client.ts";

/** What an allocation is asked with. */
export interface AllocationOptions extends TurnClientOptions {
  /** @default the server's choice, IPv4 */
  readonly family?: Family;
  /** Gives the attempt up. */
  readonly signal?: AbortSignal;
}

/** Seconds asked for: servers grant at least this much whatever is asked (RFC 8656 §7.2). */
const LIFETIME = 600;
/** Refreshed this many seconds before the end. */
const MARGIN = 60;
/** Permissions last 300 seconds, channels 600 (RFC 8656 §9, §12); both are renewed well before. */
const PERMISSION_RENEWAL = 240_000;
/** A renewal that failed is tried again after this many ms, while the permission still lasts. */
const RENEWAL_PAUSE = 5_000;
/** How the end is said: whoever closes the peer waits for it. */
const GOODBYE: RequestOptions = { attempts: 2, firstPause: 150, lastPause: 300 };
/** Peers of one allocation. Each is renewed by itself. */
const MAX_PEERS = 1024;

/**
 * Asks for an allocation. Rejects with PeerError `relay_refused` or `server_timeout`, or `closed` when it was given up; the
 * carrier is closed then.
 */
export async function allocate(options: AllocationOptions): Promise<Allocation> {
  const client = new TurnClient(options);
  const { signal } = options;
  const aborted = (): void => void client.close();
  signal?.addEventListener("abort", aborted);
  try {
    if (signal?.aborted) throw new PeerError("closed");
    const attributes = [transportAttribute(), numberAttribute(ATTRIBUTE.lifetime, LIFETIME)];
    if (options.family === "ipv6") attributes.push(familyAttribute("ipv6"));
    const answer = await client.request("allocate", () => attributes);
    const relayed = xorAddress(answer, ATTRIBUTE.xorRelayedAddress);
    if (relayed === undefined) {
      throw new PeerError("relay_refused", "the TURN server named no relayed address");
    }
    const lifetime = numberOf(answer, ATTRIBUTE.lifetime) ?? LIFETIME;
    return new Allocation(client, relayed, mappedAddress(answer), lifetime);
  } catch (error) {
    await client.close();
    throw error;
  } finally {
    signal?.removeEventListener("abort", aborted);
  }
}

/** A peer that the relay lets through. */
interface RelayedPeer {
  readonly address: Address;
  readonly channel: number;
  /** The server has agreed to the channel: data may go by it. */
  bound: boolean;
  /** The question to the server; undefined: it has refused, or not answered. */
  asked: Promise<boolean> | undefined;
  /** Cancels the next question. */
  cancelRenewal: () => void;
}

/** A relayed address. It is a socket like others: what is sent leaves from `address`, at the server. */
export class Allocation implements DatagramSocket {
  readonly address: Address;
  /** Our address as the server sees it: a reflexive candidate for free, over UDP. */
  readonly mapped: Address | undefined;
  /** Resolves when the server, or the way to it, has ended the allocation, or `close` has. */
  readonly closed: Promise<void>;
  readonly #client: TurnClient;
  readonly #peers = new Map<string, RelayedPeer>();
  readonly #byChannel = new Map<number, RelayedPeer>();
  readonly #timers = new Set<() => void>();
  #nextChannel = FIRST_CHANNEL;
  #listener: DatagramListener = () => {};
  #open = true;
  #closing: Promise<void> | undefined;
  #end!: () => void;

  constructor(client: TurnClient, address: Address, mapped: Address | undefined, lifetime: number) {
    this.#client = client;
    this.address = address;
    this.mapped = mapped;
    this.closed = new Promise((resolve) => this.#end = resolve);
    client.onData = (bytes) => this.#take(bytes);
    client.carrier.closed.then(() => this.#ended());
    this.#refreshLater(lifetime);
  }

  /**
   * Lets a peer's packets in, and prepares a channel to it. Resolves with whether the server agreed. To be called before
   * anything is sent to it; calls for the same address share the work.
   *
   * @param again What the server has agreed to is asked anew: it may have forgotten it, or ended it while this machine slept.
   */
  permit(address: Address, again = false): Promise<boolean> {
    const key = formatAddress(address);
    let peer = this.#peers.get(key);
    if (peer === undefined) {
      if (!this.#open || this.#peers.size >= MAX_PEERS || this.#nextChannel > LAST_CHANNEL) {
        return Promise.resolve(false);
      }
      const { hostname, port } = address;
      peer = {
        address: { hostname, port },
        channel: this.#nextChannel++,
        bound: false,
        asked: undefined,
        cancelRenewal() {},
      };
      this.#peers.set(key, peer);
      // Before the answer: the peer's first packet may overtake it.
      this.#byChannel.set(peer.channel, peer);
    }
    const asked = peer;
    if (again && asked.bound) asked.asked = undefined;
    return asked.asked ??= Promise.resolve().then(() => this.#bind(asked));
  }

  /** Binding a channel installs the permission as well (RFC 8656 §12). */
  async #bind(peer: RelayedPeer): Promise<boolean> {
    const { address, channel } = peer;
    try {
      await this.#client.request("channelBind", (id) => [
        { type: ATTRIBUTE.channelNumber, value: Uint8Array.of(channel >> 8, channel & 0xff, 0, 0) },
        addressAttribute(ATTRIBUTE.xorPeerAddress, address, id),
      ]);
    } catch {
      // The next call of `permit` asks again, for the same channel: the server may have agreed already.
      peer.bound = false;
      peer.asked = undefined;
      return false;
    }
    peer.bound = true;
    this.#renewAfter(PERMISSION_RENEWAL, peer);
    return true;
  }

  #renewAfter(ms: number, peer: RelayedPeer): void {
    peer.cancelRenewal();
    peer.cancelRenewal = this.#after(ms, async () => {
      if (!await this.#bind(peer)) this.#renewAfter(RENEWAL_PAUSE, peer);
    });
  }

  send(bytes: Uint8Array, to: Address): Promise<void> | void {
    if (!this.#open) return;
    const peer = this.#peers.get(formatAddress(to));
    if (peer?.bound) return this.#client.carrier.send(encodeChannelData(peer.channel, bytes));
    const id = transactionId();
    const attributes = [
      addressAttribute(ATTRIBUTE.xorPeerAddress, to, id),
      { type: ATTRIBUTE.data, value: bytes },
    ];
    // Too large for an indication: dropped, as a link with a smaller MTU would.
    if (bytes.length > 1_400) return;
    return this.#client.carrier.send(
      encodeStun({ class: "indication", method: "send", transactionId: id, attributes }),
    );
  }

  onDatagram(listener: DatagramListener): void {
    this.#listener = listener;
  }

  #take(bytes: Uint8Array): Promise<void> | void {
    if (isChannelData(bytes) && bytes.length >= CHANNEL_HEADER) {
      const decoded = decodeChannelData(bytes);
      const peer = decoded && this.#byChannel.get(decoded.channel);
      return peer && this.#listener(decoded.data, peer.address);
    }
    const message = decodeStun(bytes);
    if (message?.method !== "data") return;
    const from = xorAddress(message, ATTRIBUTE.xorPeerAddress);
    const data = attributeOf(message, ATTRIBUTE.data);
    if (from !== undefined && data !== undefined) return this.#listener(data, from);
  }

  /** Whether the server still has it. */
  async verify(): Promise<boolean> {
    try {
      await this.#client.request("refresh", () => [numberAttribute(ATTRIBUTE.lifetime, LIFETIME)]);
      return this.#open;
    } catch {
      return false;
    }
  }

  #refreshLater(lifetime: number): void {
    this.#after(Math.max(lifetime - MARGIN, lifetime / 2) * 1000, async () => {
      try {
        const answer = await this.#client.request("refresh", () => [
          numberAttribute(ATTRIBUTE.lifetime, LIFETIME),
        ]);
        this.#refreshLater(numberOf(answer, ATTRIBUTE.lifetime) ?? LIFETIME);
      } catch {
        this.close();
      }
    });
  }

  #after(ms: number, run: () => void): () => void {
    if (!this.#open) return () => {};
    const cancel = this.#client.clock.after(ms, () => {
      this.#timers.delete(cancel);
      if (this.#open) run();
    });
    this.#timers.add(cancel);
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }

  /**
   * Ends it at the server too, where the way there still works. Resolves when the server has answered, or has not for some
   * tenths of a second: there it ends by itself. Never rejects.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    if (this.#open) {
      this.#ended();
      await attempt(() =>
        this.#client.request("refresh", () => [numberAttribute(ATTRIBUTE.lifetime, 0)], GOODBYE)
      ).catch(() => {});
    }
    await this.#client.close();
  }

  #ended(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#peers.clear();
    this.#byChannel.clear();
    this.#end();
  }
}

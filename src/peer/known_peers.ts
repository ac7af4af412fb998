/**
 * The peers that this device has met: their keys, where they were reached, and the documents they had open. It lets them
 * find each other again without the service.
 *
 * @module
 */

import { type Clock, systemClock } from "../async/clock.ts";
import { type Address, isAddress } from "./address.ts";
import { isPeerId, type PeerId } from "./identity.ts";

/** A peer that was met. */
export interface KnownPeer {
  /** Its public key: nobody else can pretend to be it. */
  readonly id: PeerId;
  /** Where it took signals, the newest place first. */
  readonly addresses: readonly Address[];
  /** Milliseconds since the epoch. */
  readonly metAt: number;
  /** Channels of documents that it had open. */
  readonly documents: readonly string[];
}

/** Where they are kept. */
export interface KnownPeerStore {
  /** What was saved last; undefined: nothing. */
  load(): Promise<string | undefined>;
  save(text: string): Promise<void>;
}

/** Options of `KnownPeers`. */
export interface KnownPeersOptions {
  /** Milliseconds after which a peer that was not met again is forgotten. @default 30 days */
  readonly maxAge?: number;
  /** Told that they could not be read or saved: they are then those of this process alone. @default nobody is */
  readonly onError?: (error: unknown) => void;
  /** @default the runtime's */
  readonly clock?: Clock;
}

const DAY = 86_400_000;
const MAX_AGE = 30 * DAY;
/** Peers kept; the one met longest ago gives way. */
const MAX_PEERS = 256;
/** Of each peer. A laptop has some networks that it returns to. */
const MAX_ADDRESSES = 8;
const MAX_DOCUMENTS = 64;
/** Longest name of a channel. */
const MAX_NAME = 255;

/** Remembers peers. */
export class KnownPeers {
  readonly #store: KnownPeerStore;
  readonly #options: KnownPeersOptions;
  readonly #clock: Clock;
  /** Those met longest ago first. */
  readonly #peers = new Map<PeerId, KnownPeer>();
  #port: number | undefined;
  #saving: Promise<void> = Promise.resolve();
  #saveWaits = false;

  private constructor(store: KnownPeerStore, options: KnownPeersOptions) {
    this.#store = store;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Reads what was saved. What cannot be read is left out. Never rejects. */
  static async open(store: KnownPeerStore, options: KnownPeersOptions = {}): Promise<KnownPeers> {
    const known = new KnownPeers(store, options);
    try {
      const text = await store.load();
      if (text !== undefined) known.#read(JSON.parse(text));
    } catch (error) {
      options.onError?.(error);
    }
    return known;
  }

  /** The TCP port on which this device took signals last: others remember it. */
  get port(): number | undefined {
    return this.#port;
  }

  set port(port: number | undefined) {
    if (port === this.#port) return;
    this.#port = port;
    this.#save();
  }

  /** All of them, the one met last first. */
  list(): KnownPeer[] {
    const oldest = this.#clock.wall() - (this.#options.maxAge ?? MAX_AGE);
    return [...this.#peers.values()].filter(({ metAt }) => metAt > oldest).reverse();
  }

  get(peer: PeerId): KnownPeer | undefined {
    return this.list().find(({ id }) => id === peer);
  }

  /** Those that had a document open. */
  with(channel: string): PeerId[] {
    return this.list().filter(({ documents }) => documents.includes(channel)).map(({ id }) => id);
  }

  /** A peer has proved itself. `addresses`: where it takes signals. */
  met(peer: PeerId, addresses: readonly Address[]): void {
    const before = this.#peers.get(peer);
    const all = [...addresses, ...before?.addresses ?? []];
    const texts = all.map(({ hostname, port }) => `${hostname} ${port}`);
    this.#put({
      id: peer,
      addresses: all.filter((_, i) => texts.indexOf(texts[i]!) === i).slice(0, MAX_ADDRESSES),
      metAt: this.#clock.wall(),
      documents: before?.documents ?? [],
    });
  }

  /** A peer that was met has this document open. */
  shares(peer: PeerId, channel: string): void {
    const before = this.#peers.get(peer);
    if (before === undefined || before.documents[0] === channel) return;
    const documents = [channel, ...before.documents.filter((name) => name !== channel)];
    this.#put({ ...before, documents: documents.slice(0, MAX_DOCUMENTS) });
  }

  /** Forgets a peer. */
  forget(peer: PeerId): void {
    if (this.#peers.delete(peer)) this.#save();
  }

  /** Resolves when everything is saved, or could not be. */
  async saved(): Promise<void> {
    while (this.#saveWaits) await this.#saving;
    await this.#saving;
  }

  #put(peer: KnownPeer): void {
    this.#peers.delete(peer.id);
    this.#peers.set(peer.id, peer);
    if (this.#peers.size > MAX_PEERS) this.#peers.delete(this.#peers.keys().next().value!);
    this.#save();
  }

  /** One save at a time; what changes meanwhile goes with the next one. */
  #save(): void {
    if (this.#saveWaits) return;
    this.#saveWaits = true;
    this.#saving = this.#saving.then(async () => {
      this.#saveWaits = false;
      const text = JSON.stringify({ port: this.#port, peers: this.list() }, null, 1);
      await this.#store.save(`${text}\n`);
    }).catch((error) => this.#options.onError?.(error));
  }

  #read(saved: unknown): void {
    const { port, peers } = saved as { port?: unknown; peers?: unknown };
    if (isPort(port)) this.#port = port;
    const now = this.#clock.wall();
    const read = (Array.isArray(peers) ? peers : []).slice(0, MAX_PEERS).map((peer) => readPeer(peer, now));
    for (const peer of read.filter((peer) => peer !== undefined).reverse()) this.#peers.set(peer.id, peer);
  }
}

function readPeer(value: unknown, now: number): KnownPeer | undefined {
  const { id, addresses, metAt, documents } = (value ?? {}) as Record<string, unknown>;
  if (typeof id !== "string" || !isPeerId(id) || typeof metAt !== "number") return undefined;
  return {
    id,
    addresses: array(addresses).flatMap(readAddress).slice(0, MAX_ADDRESSES),
    // A clock that was ahead must not keep a peer for ever.
    metAt: Math.min(metAt, now),
    documents: array(documents).filter((name): name is string =>
      typeof name === "string" && name.length <= MAX_NAME
    ).slice(0, MAX_DOCUMENTS),
  };
}

function readAddress(value: unknown): Address[] {
  const { hostname, port } = (value ?? {}) as Record<string, unknown>;
  if (typeof hostname !== "string" || !isPort(port)) return [];
  return isAddress(hostname) ? [{ hostname, port }] : [];
}

function array(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536;
}

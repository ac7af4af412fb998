/**
 * Datagrams of a connection: those for the application, and probes of the round-trip time among them.
 *
 * @module
 */

import { AsyncQueue } from "./queue.ts";
import type { TrafficCounters } from "./traffic_counters.ts";

/** Datagrams kept for a slow reader; the oldest are dropped. */
const MAX_QUEUED = 512;
/** Answers to probes that may wait for the stack at once; more probes are not answered. */
const MAX_ANSWERS = 8;
/** A probe: these eight bytes, of which the last is PROBE or ANSWER, and eight of a nonce. */
const MAGIC = [0xc1, 0x73, 0x6b, 0x65, 0x69, 0x6e, 0x72] as const;
const PROBE = 1;
const ANSWER = 2;
const PROBE_LENGTH = 16;

/** The transport's side. */
export interface DatagramTransport {
  /** The next datagram of the peer; `undefined` for one to pass over. Rejects when there will be no more. */
  readDatagram(): Promise<Uint8Array | undefined>;
  /** Sends a datagram. */
  transmit(bytes: Uint8Array): Promise<void>;
}

/** Reads datagrams as they come, so that probes are answered whether or not the application reads. */
export class Datagrams implements AsyncIterable<Uint8Array> {
  readonly #transport: DatagramTransport;
  readonly #counters: TrafficCounters;
  readonly #queue: AsyncQueue<Uint8Array>;
  /** Probes that wait for their answers, by nonce; made with the first one. */
  #probes: Map<string, (at: number | undefined) => void> | undefined;
  #answering = 0;
  #ended = false;
  /** Whether a datagram is handed out. */
  accepts: ((bytes: Uint8Array) => boolean) | undefined;

  constructor(transport: DatagramTransport, counters: TrafficCounters) {
    this.#transport = transport;
    this.#counters = counters;
    this.#queue = new AsyncQueue(MAX_QUEUED, () => counters.datagramsDropped++);
  }

  /** Reads until the transport has no more. Never rejects. */
  async run(): Promise<void> {
    try {
      while (!this.#ended) {
        const bytes = await this.#transport.readDatagram();
        if (bytes !== undefined) this.#take(bytes);
      }
    } catch {
      // The connection has ended.
    }
    this.end();
  }

  #take(bytes: Uint8Array): void {
    if (this.#ended) return;
    if (bytes.length === PROBE_LENGTH && bytes[0] === MAGIC[0] && this.#takeProbe(bytes)) return;
    this.#counters.receivedDatagram(bytes.length);
    if (this.accepts !== undefined && !this.accepts(bytes)) {
      this.#counters.datagramsDropped++;
      return;
    }
    this.#queue.push(bytes);
  }

  #takeProbe(bytes: Uint8Array): boolean {
    if (!MAGIC.every((byte, i) => bytes[i] === byte)) return false;
    const kind = bytes[MAGIC.length];
    if (kind === ANSWER) {
      this.#probes?.get(nonceOf(bytes))?.(performance.now());
    } else if (kind === PROBE && this.#answering < MAX_ANSWERS) {
      this.#answering++;
      bytes[MAGIC.length] = ANSWER;
      this.#transport.transmit(bytes).catch(() => {}).finally(() => this.#answering--);
    }
    return true;
  }

  /** Sends a probe. Resolves with the milliseconds until its answer, `undefined` when none comes in time. Never rejects. */
  probe(timeout: number): Promise<number | undefined> {
    const bytes = new Uint8Array(PROBE_LENGTH);
    bytes.set(MAGIC);
    bytes[MAGIC.length] = PROBE;
    crypto.getRandomValues(bytes.subarray(MAGIC.length + 1));
    const nonce = nonceOf(bytes);
    return new Promise((resolve) => {
      if (this.#ended) return resolve(undefined);
      const probes = this.#probes ??= new Map();
      const sent = performance.now();
      const settle = (at: number | undefined): void => {
        clearTimeout(timer);
        probes.delete(nonce);
        resolve(at === undefined ? undefined : at - sent);
      };
      const timer = setTimeout(() => settle(undefined), timeout);
      probes.set(nonce, settle);
      this.#transport.transmit(bytes).catch(() => settle(undefined));
    });
  }

  /** No more will come. */
  end(): void {
    this.#ended = true;
    this.#queue.end();
    for (const settle of [...this.#probes?.values() ?? []]) settle(undefined);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this.#queue[Symbol.asyncIterator]();
  }
}

function nonceOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(MAGIC.length + 1));
}

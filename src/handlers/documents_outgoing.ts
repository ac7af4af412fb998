/**
 * Snapshots that are being sent: clients that open a document at the same time share one copy.
 *
 * @module
 */

import type { Checkpoint, Hub } from "../hub/mod.ts";
import { crc32, ProtocolError } from "../protocol/mod.ts";
import { SNAPSHOT } from "./documents_snapshot.ts";

/** Bytes of all snapshots that this node is sending, each counted once. */
const MAX_OUTGOING = 256 * 1024 * 1024;

/** A part of a snapshot. */
export interface SnapshotPart {
  readonly data: Uint8Array;
  readonly checksum: number;
}

/** A document's snapshot. */
export class OutgoingSnapshot {
  readonly kept: Checkpoint;
  /** How many clients are being sent it. */
  users = 0;
  readonly #parts = new Map<number, SnapshotPart[]>();

  constructor(kept: Checkpoint) {
    this.kept = kept;
  }

  /** Its bytes. */
  get size(): number {
    return this.kept.data?.length ?? 0;
  }

  /** Its parts of at most `size` bytes. */
  parts(size: number): readonly SnapshotPart[] {
    const { data } = this.kept;
    if (data === undefined) return [];
    let parts = this.#parts.get(size);
    if (parts === undefined) {
      parts = [];
      for (let at = 0; at < data.length || at === 0; at += size) {
        const part = data.subarray(at, at + size);
        parts.push({ data: part, checksum: crc32(part) });
      }
      this.#parts.set(size, parts);
    }
    return parts;
  }
}

/** A snapshot that is being read from the engine, and how many clients wait for it. */
interface Reading {
  waiting: number;
  read: Promise<OutgoingSnapshot | undefined> | undefined;
}

/** The snapshots that are being sent, by document. */
export class OutgoingSnapshots {
  readonly #hub: Hub;
  readonly #newest = new Map<string, OutgoingSnapshot>();
  readonly #reading = new Map<string, Reading>();
  #bytes = 0;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** Bytes of all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The snapshot of a document, undefined when it has none; to be released. Rejects with ProtocolError `not_available`
   * while snapshots of too many bytes are being sent.
   */
  async take(channel: string): Promise<OutgoingSnapshot | undefined> {
    const known = this.#newest.get(channel);
    if (known !== undefined) {
      known.users++;
      return known;
    }
    // Clients that come while it is read wait for the same one.
    let reading = this.#reading.get(channel);
    if (reading === undefined) {
      this.#reading.set(channel, reading = { waiting: 0, read: undefined });
      reading.read = this.#read(channel, reading);
    }
    reading.waiting++;
    return await reading.read;
  }

  /** Releases what `take` gave. */
  release(channel: string, outgoing: OutgoingSnapshot | undefined): void {
    if (outgoing === undefined || --outgoing.users > 0) return;
    if (this.#newest.get(channel) === outgoing) this.#newest.delete(channel);
    this.#bytes -= outgoing.size;
  }

  /** There is a newer snapshot: later clients do not get the one at hand. */
  renew(channel: string): void {
    this.#newest.delete(channel);
    this.#reading.delete(channel);
  }

  async #read(channel: string, reading: Reading): Promise<OutgoingSnapshot | undefined> {
    try {
      const kept = await this.#hub.checkpoints.get(channel, SNAPSHOT);
      if (kept === undefined) return undefined;
      const outgoing = new OutgoingSnapshot(kept);
      if (this.#bytes > 0 && this.#bytes + outgoing.size > MAX_OUTGOING) {
        throw new ProtocolError("not_available", "too many snapshots at once");
      }
      outgoing.users = reading.waiting;
      this.#bytes += outgoing.size;
      if (this.#reading.get(channel) === reading) this.#newest.set(channel, outgoing);
      return outgoing;
    } finally {
      if (this.#reading.get(channel) === reading) this.#reading.delete(channel);
    }
  }
}

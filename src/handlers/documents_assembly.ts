/**
 * Snapshots that come in parts, until the last part is there.
 *
 * @module
 */

import { type DocSnapshot, ProtocolError } from "../protocol/mod.ts";
import type { Client, StateKey } from "../router/types.ts";

/** Milliseconds that the next part may take. */
const PATIENCE = 30_000;

/** A snapshot of which parts have come. */
export interface Assembly {
  readonly channel: string;
  readonly epoch: string;
  readonly offset: number;
  readonly parts: number;
  readonly chunks: Uint8Array[];
  size: number;
  /** When the last part came, on the clock that `Assemblies.take` is given. */
  at: number;
}

/** Bounds in bytes. */
export interface AssemblyLimits {
  readonly maxSnapshot: number;
  /** All unfinished snapshots of this node together. */
  readonly maxAssembling: number;
}

/** The unfinished snapshots of this node: one for each connection at most, and none longer than its connection. */
export class Assemblies {
  readonly #key: StateKey<{ assembly: Assembly | undefined }> = {
    create: () => ({ assembly: undefined }),
    release: ({ assembly }) => this.#remove(assembly),
  };
  /** By the time of their last part, the oldest first. */
  readonly #all = new Set<Assembly>();
  #bytes = 0;

  /** Bytes of all unfinished snapshots. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds a part behind the earlier ones. Drops what waits for a part for too long. `now`: milliseconds of a clock that
   * only goes forward. Throws ProtocolError `doc_snapshot_gap`, `doc_snapshot_too_large` or `not_available`.
   */
  take(client: Client, message: DocSnapshot, now: number, limits: AssemblyLimits): Assembly {
    this.#expire(now);
    const { channel, epoch, offset, part, parts, data } = message;
    if (part === 0) this.#put(client, { channel, epoch, offset, parts, chunks: [], size: 0, at: now });
    const { assembly } = client.state(this.#key);
    if (
      assembly === undefined || assembly.channel !== channel || assembly.epoch !== epoch ||
      assembly.offset !== offset || assembly.parts !== parts || part > assembly.chunks.length
    ) {
      throw new ProtocolError("doc_snapshot_gap");
    }
    // The part came before, and its acknowledgement was lost.
    if (part < assembly.chunks.length) return assembly;
    if (assembly.size + data.length > limits.maxSnapshot) {
      this.drop(client);
      throw new ProtocolError(
        "doc_snapshot_too_large",
        `a snapshot has at most ${limits.maxSnapshot} bytes`,
      );
    }
    if (this.#bytes + data.length > limits.maxAssembling) {
      this.drop(client);
      throw new ProtocolError("not_available", "too many snapshots at once");
    }
    assembly.chunks.push(data);
    assembly.size += data.length;
    this.#bytes += data.length;
    assembly.at = now;
    this.#all.delete(assembly);
    this.#all.add(assembly);
    return assembly;
  }

  /** Ends the unfinished snapshot of a connection, if there is one. */
  drop(client: Client): void {
    const state = client.state(this.#key);
    this.#remove(state.assembly);
    state.assembly = undefined;
  }

  #put(client: Client, assembly: Assembly): void {
    this.drop(client);
    client.state(this.#key).assembly = assembly;
    this.#all.add(assembly);
  }

  #expire(now: number): void {
    for (const assembly of this.#all) {
      if (now - assembly.at <= PATIENCE) return;
      // The connection may still send parts for it. They are refused, because the earlier ones are lost.
      this.#remove(assembly);
      assembly.chunks.length = 0;
    }
  }

  #remove(assembly: Assembly | undefined): void {
    if (assembly === undefined || !this.#all.delete(assembly)) return;
    this.#bytes -= assembly.size;
    assembly.size = 0;
  }
}

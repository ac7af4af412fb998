/**
 * What memory engines keep. Several engines may share one store, as nodes of a cluster share one elsewhere.
 *
 * @module
 */

import { type Clock, systemClock } from "../../async/clock.ts";
import { uuidv7 } from "../../protocol/mod.ts";
import { Bus } from "../local/bus.ts";
import { interruptionOf } from "../growth.ts";
import { NodeTable } from "../local/commands.ts";
import { OpenStreams } from "../local/open_streams.ts";
import { PresenceTable } from "../local/presence_table.ts";
import { MemoryBlobs } from "./blobs.ts";
import { ChannelLog } from "./channel.ts";
import { DedupeWindow } from "./dedupe.ts";
import { LargeTexts } from "./large_texts.ts";
import { MemoryValues } from "./values.ts";

/** Options of a store. */
export interface MemoryStoreOptions {
  /** @default the runtime's */
  readonly clock?: Clock;
  /** Milliseconds a dedupe key is known, at least. @default 120000 */
  readonly dedupeWindow?: number;
  /** Dedupe keys kept at most, over all channels; beyond that the oldest are forgotten early. @default 500000 */
  readonly dedupeMax?: number;
  /**
   * Milliseconds after which a channel that nobody follows and that keeps nothing is forgotten; never sooner than its
   * dedupe keys. @default 600000
   */
  readonly idle?: number;
  /**
   * `channel`: the offsets of each channel are 1, 2, 3, ... `store`: all channels count together, as they do where many
   * are kept in one stream. @default "channel"
   */
  readonly offsets?: "channel" | "store";
  /** Bytes of files and uploads kept at most. @default 268435456 */
  readonly files?: number;
}

/** Channels, dedupe keys, presence, values, files and nodes. */
export class MemoryStore {
  readonly bus = new Bus();
  readonly clock: Clock;
  readonly presence: PresenceTable;
  readonly values: MemoryValues;
  readonly nodes: NodeTable;
  readonly blobs: MemoryBlobs;
  readonly dedupe: DedupeWindow;
  readonly streams: OpenStreams;
  readonly #texts = new LargeTexts();
  readonly #logs = new Map<string, ChannelLog>();
  readonly #idle: number;
  readonly #shared: boolean;
  /** What the clock said at the last sweep: exact enough for what is idle. */
  tick: number;
  /** The highest offset there is, where all channels count together. */
  #last = 0;
  /** Of channels that begin now. */
  #epoch = uuidv7();

  constructor(options: MemoryStoreOptions = {}) {
    const { clock = systemClock, dedupeWindow = 120_000, dedupeMax = 500_000 } = options;
    this.clock = clock;
    this.tick = clock.now();
    this.#shared = options.offsets === "store";
    // A key may be known for two windows, and is of no use once its channel counts from 1 again.
    this.#idle = Math.max(options.idle ?? 600_000, 2 * dedupeWindow + 1);
    this.streams = new OpenStreams(() => clock.now());
    this.dedupe = new DedupeWindow(dedupeWindow, dedupeMax, () => clock.now());
    this.presence = new PresenceTable(
      this.tick,
      (channel, event, entry) => this.bus.changed(channel, event, entry),
    );
    this.nodes = new NodeTable(clock);
    // A channel that only has values is forgotten like any other.
    this.values = new MemoryValues(clock, (channel) => void this.begin(channel));
    this.blobs = new MemoryBlobs(clock, options.files ?? 256 * 1024 ** 2);
  }

  /** A channel somebody has published to or follows. */
  channel(name: string): ChannelLog | undefined {
    return this.#logs.get(name);
  }

  /** A channel, which begins now when it is not known. */
  begin(name: string): ChannelLog {
    const known = this.#logs.get(name);
    if (known !== undefined) return known;
    const log = new ChannelLog(this.#epoch, this.tick, this.#texts);
    this.#logs.set(name, log);
    return log;
  }

  /** The epoch of channels that begin now. */
  get epoch(): string {
    return this.#epoch;
  }

  /** The offset of the next message of a channel. */
  next(log: ChannelLog): number {
    return this.#shared ? ++this.#last : log.offset + 1;
  }

  /** Removes a channel; false: there is none. */
  forget(channel: string): boolean {
    const log = this.#logs.get(channel);
    if (log === undefined) return false;
    this.#logs.delete(channel);
    this.values.forget(channel);
    this.streams.forget(channel);
    // Keys are `CHANNEL\nKEY`.
    this.dedupe.forget(`${channel}\n`);
    this.#epoch = uuidv7();
    // Who follows it is told the epoch that it has from now on.
    if (this.bus.isFollowed(channel)) this.begin(channel);
    this.bus.forgot(channel);
    return true;
  }

  /** Names of channels, in order. */
  names(): string[] {
    return [...this.#logs.keys()].sort();
  }

  /** How many channels there are. */
  get size(): number {
    return this.#logs.size;
  }

  /** Drops what is past its age, window or lease, and channels that are idle. */
  sweep(): void {
    const clock = this.tick = this.clock.now();
    const wall = this.clock.wall();
    this.dedupe.sweep(clock);
    this.presence.sweep(clock);
    this.values.sweep();
    this.nodes.sweep();
    this.#interruptStreams();
    let forgotten = false;
    for (const [channel, log] of this.#logs) {
      if (log.size > 0) log.expire(wall);
      if (log.size > 0 || clock - log.touched < this.#idle || this.bus.isFollowed(channel)) continue;
      this.#logs.delete(channel);
      this.values.forget(channel);
      if (log.offset > 0) forgotten = true;
    }
    // A forgotten channel counts from 1 again, which must not look like its old history.
    if (forgotten) this.#epoch = uuidv7();
  }

  #interruptStreams(): void {
    for (const { channel, target } of this.streams.due()) {
      this.streams.remove(channel, target);
      const log = this.#logs.get(channel);
      const change = interruptionOf(log?.get(target), target);
      if (log === undefined || change === undefined) continue;
      log.replace(target, change.payload);
      this.bus.grown(channel, change.piece, log.epoch);
      this.bus.interrupted(channel, target);
    }
  }
}

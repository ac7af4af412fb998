/**
 * What a device keeps of a group besides its secrets: how far it has read the log, and which epochs the content of
 * channels still needs.
 *
 * @module
 */

import { isChannel } from "../../protocol/core.ts";
import type { Position } from "../session/inbox.ts";
import type { Ledger, StoredLedger } from "./ledger.ts";
import { type GroupStorage, jsonBytes, readJson } from "./storage.ts";

/** Channels of which it is known what they need: members can name any. */
const MAX_CHANNELS = 1024;

interface Stored {
  readonly ledger?: StoredLedger;
  readonly since?: Position;
  readonly floors: Readonly<Record<string, number>>;
  readonly handled: readonly string[];
  readonly renewed: number;
}

/** The record of a group. */
export class GroupRecord {
  readonly #storage: GroupStorage;
  readonly #name: string;
  readonly #stored: Stored | undefined;
  /** The oldest epoch that the content of a channel needs. */
  readonly #floors: Map<string, number>;
  /** When this device has renewed its keys last, in milliseconds since the epoch. */
  renewed: number;

  private constructor(storage: GroupStorage, name: string, stored: Stored | undefined) {
    this.#storage = storage;
    this.#name = name;
    this.#stored = stored;
    this.#floors = new Map(Object.entries(stored?.floors ?? {}));
    this.renewed = stored?.renewed ?? 0;
    this.#since = stored?.since;
  }

  /** Reads the record of the group of a channel; an empty one when there is none. */
  static async load(storage: GroupStorage, channel: string): Promise<GroupRecord> {
    const name = `group/${channel}`;
    return new GroupRecord(storage, name, await readJson<Stored>(storage, name));
  }

  #since: Position | undefined;

  /** What the ledger was. */
  get ledger(): StoredLedger | undefined {
    return this.#stored?.ledger;
  }

  /** The log need not be read again up to here. */
  get since(): Position | undefined {
    return this.#since;
  }

  /** Names of requests that were handled. */
  get handled(): readonly string[] {
    return this.#stored?.handled ?? [];
  }

  /** The content of a channel is sealed in this group, at the earliest in `epoch`. */
  uses(channel: string, epoch: number): void {
    if (!this.#floors.has(channel)) this.#floors.set(channel, epoch);
  }

  /** A member says that the content of a channel needs nothing older than `epoch`; `now`: the current one. */
  needs(channel: string, epoch: number, now: number): void {
    const floor = this.#floors.get(channel);
    const isTooMany = floor === undefined && this.#floors.size >= MAX_CHANNELS;
    if (isTooMany || !isChannel(channel)) return;
    this.#floors.set(channel, Math.max(Math.min(epoch, now), floor ?? 0));
  }

  /** The oldest epoch that the content of any channel needs; `epoch` when there is none. */
  floor(epoch: number): number {
    return Math.min(epoch, ...this.#floors.values());
  }

  /** Keeps all of it. `read`: how far the log was read. Resolves when it survives a crash. */
  async save(ledger: Ledger, read: Position | undefined, handled: readonly string[]): Promise<void> {
    const kept = ledger.store();
    // What waits for something before it is read again; who is not in reads from where it was taken out.
    if (ledger.settled) this.#since = read;
    const stored: Stored = {
      ...kept === undefined ? {} : { ledger: kept },
      ...this.#since === undefined ? {} : { since: this.#since },
      floors: Object.fromEntries(this.#floors),
      handled,
      renewed: this.renewed,
    };
    await this.#storage.put({ [this.#name]: jsonBytes(stored) });
  }

  /** This device is out: what comes after `read` may let it in again. */
  out(read: Position | undefined): void {
    this.#since = read;
    this.#floors.clear();
  }
}

/**
 * Presence in the memory of one process.
 *
 * @module
 */

import type { Clock } from "../../async/clock.ts";
import type { Presence, PresenceEntry, PresenceListener } from "../contract.ts";
import type { Listeners } from "./bus.ts";
import type { PresenceTable } from "./presence_table.ts";

/** The presence of an engine. */
export class LocalPresence implements Presence {
  readonly #table: PresenceTable;
  readonly #listeners: Listeners;
  readonly #clock: Clock;

  constructor(table: PresenceTable, listeners: Listeners, clock: Clock) {
    this.#table = table;
    this.#listeners = listeners;
    this.#clock = clock;
  }

  enter(channel: string, entry: PresenceEntry, lease: number): void {
    this.#table.enter(channel, entry, this.#clock.now() + lease);
  }

  leave(channel: string, sessionId: string): void {
    this.#table.leave(channel, sessionId);
  }

  list(channel: string): readonly PresenceEntry[] {
    return this.#table.on(channel);
  }

  onChange(listener: PresenceListener): void {
    this.#listeners.presence = listener;
  }
}

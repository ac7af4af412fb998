/**
 * The contract of a module: a part of the service that starts, follows the configuration, and ends.
 *
 * @module
 */

import type { Config } from "./config/mod.ts";
import type { Series } from "./metrics/series.ts";

/** A key of the configuration, or a group that stands for all keys in it: `quic.port`, `quic`. */
export type ConfigKey = keyof Config | `${keyof Config}.${string}`;

/**
 * A part of the service. Everything but the name is optional. `ModuleRunner` calls `start`, `apply` and `sweep` in
 * the order of the list, `drain` and `close` in reverse order.
 */
export interface Module {
  /** For log lines. */
  readonly name: string;
  /** `apply` is called when one of these changed. */
  readonly keys?: readonly ConfigKey[];
  /**
   * `apply` is called at every reload, also when no key changed: a file that the configuration names may have other
   * content under the same name. @default false
   */
  readonly everyReload?: boolean;
  /** Its metrics. */
  readonly series?: readonly Series[];
  /** Begins to work. When it rejects, the service does not start, and `close` is called. */
  start?(config: Config): void | Promise<void>;
  /**
   * Puts `next` in force. When it rejects, the module has to work as before. A module that had applied `next` when
   * a later one rejected is called again with the two exchanged.
   */
  apply?(next: Config, previous: Config): void | Promise<void>;
  /** Called about once a second with `Date.now()`. */
  sweep?(now: number): void;
  /** Takes no new work and finishes what is under way, within `deadline` milliseconds. */
  drain?(deadline: number): void | Promise<void>;
  /** Releases everything; also called when `start` failed, or was not reached by its end. */
  close?(): void | Promise<void>;
  /** Fields of `/stats`. Objects that several modules give under one name are merged. */
  status?(): Readonly<Record<string, unknown>>;
  /** Why no client should be sent here now, in a word or two; `undefined` when there is no reason. */
  notReady?(): string | undefined;
}

/** What a module has from its start on. Throws when it is asked for before: the list has the wrong order. */
export function started<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`${name} is needed before it has started`);
  return value;
}

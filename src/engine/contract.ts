/**
 * The contract of engines: what keeps, counts and fans out for the service, on one node or on many. Implementations pass
 * one conformance suite.
 *
 * All of it is data, so that a store in another process can meet it: no part of a call is a function that the store would
 * have to run. Rejections are ProtocolErrors where a client is to be told (`not_available`), else anything.
 *
 * @module
 */

import type { Blobs } from "./contract/blobs.ts";
import type { Commands } from "./contract/commands.ts";
import type { Log, MaybePromise } from "./contract/log.ts";
import type { Presence } from "./contract/presence.ts";
import type { Values } from "./contract/values.ts";

export type * from "./contract/blobs.ts";
export type * from "./contract/commands.ts";
export type * from "./contract/log.ts";
export type * from "./contract/presence.ts";
export type * from "./contract/values.ts";

/** Figures for operators, as far as an instance knows them without asking its store. */
export interface EngineStatus {
  /** Channels that the instance has in memory. */
  readonly channels: number;
  /** Bytes that messages and values take on a disk. Undefined: there is none, or it is not known. */
  readonly bytes?: number;
}

/** One instance of an engine. Several instances may share one store. */
export interface Engine {
  /** Which engine it is: `memory`, `sqlite`. */
  readonly name: string;
  readonly log: Log;
  readonly presence: Presence;
  readonly values: Values;
  readonly commands: Commands;
  readonly blobs: Blobs;
  /** Drops what is past its age or lease. Called about once a second. */
  sweep(): void;
  /**
   * Overwrites what was deleted before: afterwards nothing of it is in the files of the store. Takes as long as it takes to
   * write all that is kept, a little at a time. What several ask for meanwhile is done once.
   */
  scrub(): MaybePromise<void>;
  /** Whether it can commit now: what `/readyz` asks. */
  healthy(): boolean;
  status(): EngineStatus;
  close(): MaybePromise<void>;
}

/** What the parts of the conformance suite share. */

import type { Engine, MaybePromise, NewRecord } from "../../src/engine/contract.ts";

/** An engine under test and what can be done to it. */
export interface Subject {
  readonly engine: Engine;
  /** Another instance over the same store, for engines that span nodes. */
  peer?(): MaybePromise<Engine>;
  /** Ends the process as a crash would, as far as that can be had here, and opens the engine again. */
  restart?(): MaybePromise<Engine>;
  close(): MaybePromise<void>;
}

/** Keeps all that tests publish. */
export const KEEP = { size: 100, age: 60_000 };

/** An engine under test, and its time. */
export interface Bench extends Subject {
  /** Moves the clock and sweeps. */
  pass(ms: number): void;
  time(): number;
}

/** Publishes `m0`, `m1`, ... and returns their offsets. */
export async function fill(b: Bench, channel: string, count: number, retention = KEEP): Promise<number[]> {
  const offsets: number[] = [];
  for (let i = 0; i < count; i++) {
    offsets.push((await b.engine.publish(channel, record(`m${i}`, b.time()), { retention })).offset);
  }
  return offsets;
}

/** A message to be kept. */
export function record(id: string, timestamp: number): NewRecord {
  return {
    type: "chat_message",
    id,
    from: "ann",
    timestamp,
    payload: { text: id, data: { deep: [1, null] } },
  };
}

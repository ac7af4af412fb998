/** An engine under test, and what the parts of the conformance suite share. */

import type { Clock } from "../../../src/async/clock.ts";
import type { Engine, MaybePromise, NewRecord, StoredRecord } from "../../../src/engine/contract.ts";
import { FakeClock } from "../../support/clock.ts";

/** How an engine is opened. */
export interface OpenOptions {
  /** A clock that the test moves. Engines without the capability `clock` ignore it. */
  readonly clock: Clock;
  /** Milliseconds. */
  readonly dedupeWindow: number;
}

/** What an engine can do; a capability that it lacks is tested too, where that can be seen. */
export interface Capabilities {
  readonly name: string;
  readonly open: (options: OpenOptions) => MaybePromise<Subject>;
  /** Its clock is `OpenOptions.clock`, so that ages, leases and windows can be tested. */
  readonly clock: boolean;
  /** What is committed survives `Subject.restart`. Otherwise another one of these engines is in another epoch. */
  readonly restart: boolean;
  /** Several instances on one store see each other. Otherwise a second instance is refused. */
  readonly peers: boolean;
}

/** An engine under test. */
export interface Subject {
  readonly engine: Engine;
  /** Opens another instance on the same store. */
  peer(): MaybePromise<Engine>;
  /** Ends the process as a crash would, as far as that can be had here, and opens the engine again. */
  restart?(): MaybePromise<Engine>;
  close(): MaybePromise<void>;
}

/** An engine under test, and its time. */
export interface Bench extends Subject {
  /** Moves the clocks and sweeps. */
  pass(ms: number): void;
  /** Lets time pass, timer by timer; really, for an engine with a clock of its own. */
  elapse(ms: number): Promise<void>;
  time(): number;
}

/** Registers one test of an engine. */
export type Register = (says: string, body: (bench: Bench) => Promise<void>) => void;

/** How tests of `area` are registered. */
export function registerFor({ name, open, clock: hasClock }: Capabilities, area: string): Register {
  return (says, body) =>
    Deno.test(`${name} ${area}: ${says}`, async () => {
      const clock = new FakeClock();
      const subject = await open({ clock, dedupeWindow: 10_000 });
      const bench: Bench = {
        ...subject,
        time: () => clock.wall(),
        pass(ms) {
          clock.sleep(ms);
          subject.engine.sweep();
        },
        elapse: (ms) => hasClock ? clock.advance(ms) : new Promise((resolve) => setTimeout(resolve, ms)),
      };
      try {
        await body(bench);
      } finally {
        await subject.close();
      }
    });
}

/** Keeps all that tests publish. */
export const KEEP = { size: 100, age: 60_000 };

/** Publishes `m0`, `m1`, ... and returns their offsets. */
export async function fill(b: Bench, channel: string, count: number, retention = KEEP): Promise<number[]> {
  const offsets: number[] = [];
  for (let i = 0; i < count; i++) {
    offsets.push((await b.engine.log.publish(channel, record(`m${i}`, b.time()), { retention })).offset);
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

/** A kept message without its place. */
export function bare({ type, id, from, timestamp, payload }: StoredRecord): NewRecord {
  return { type, id, from, timestamp, payload };
}

/** Waits for what an engine does in its own time. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error("it did not happen within 10 s");
    await settle();
  }
}

/** Some turns of the event loop. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

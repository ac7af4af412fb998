/**
 * Schedules of functions. When each is due next is a value of the engine, and whoever moves it on makes the call: of all
 * nodes one, also after a restart.
 *
 * @module
 */

import { Underway } from "../../async/underway.ts";
import type { Values } from "../../engine/contract.ts";
import { type Call, parseSchedule } from "../../functions/mod.ts";
import type { FunctionSet } from "./set.ts";

/** What schedules need. */
export interface ScheduleOptions {
  readonly values: Values;
  readonly set: FunctionSet;
  readonly call: (name: string, call: Call) => Promise<unknown>;
  readonly failed: (error: unknown, name: string) => void;
}

/** What is kept of a schedule. */
interface Kept {
  /** The schedule itself: another one begins anew. */
  readonly of: string;
  /** Milliseconds since the epoch; null: never again. */
  readonly due: number | null;
}

interface Known {
  readonly of: string;
  /** When it has to be looked at. */
  due: number;
  busy: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Milliseconds until a schedule is looked at again after the engine failed. */
const AGAIN = 5000;

/** The schedules of all functions. */
export class Schedules {
  readonly #options: ScheduleOptions;
  readonly #known = new Map<string, Known>();
  readonly #looking = new Underway();
  #closed = false;

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** Looks at what is due. `now`: milliseconds since the epoch. To be called once a second. */
  sweep(now: number): void {
    if (this.#closed) return;
    const current = new Set<string>();
    for (const { name, manifest } of this.#options.set.functions) {
      for (const [schedule, given] of Object.entries(manifest!.schedules)) {
        const key = `fn/${name}/schedule/${schedule}`;
        const of = JSON.stringify(given);
        current.add(key);
        let known = this.#known.get(key);
        if (known?.of !== of) this.#known.set(key, known = { of, due: now, busy: false });
        if (known.busy || known.due > now) continue;
        known.busy = true;
        const next = parseSchedule(given);
        if (next === undefined) continue;
        void this.#looking.add(this.#look({ name, schedule, key, known, next, now }));
      }
    }
    for (const key of this.#known.keys()) if (!current.has(key)) this.#known.delete(key);
  }

  /** Nothing begins any more. Resolves when what is due has been called: one that was moved on is called by nobody else. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#looking.over();
  }

  async #look({ name, schedule, key, known, next, now }: Look): Promise<void> {
    const { values, call, failed } = this.#options;
    try {
      const found = await values.get({ name: key });
      const kept = found?.data === undefined ? undefined : JSON.parse(decoder.decode(found.data)) as Kept;
      const isNew = kept?.of !== known.of;
      if (!isNew && (kept.due === null || kept.due > now)) {
        known.due = kept.due ?? Infinity;
        return;
      }
      if (this.#closed) return;
      const due = next(now) ?? null;
      const data = encoder.encode(JSON.stringify({ of: known.of, due } satisfies Kept));
      const put = await values.put({ name: key }, { data }, { revision: found?.revision ?? 0 });
      // Another node was faster: what it wrote is looked at next time.
      if (put === undefined) return;
      known.due = due ?? Infinity;
      if (isNew) return;
      // Its failure is logged and counted where it is called.
      call(name, { event: { kind: "schedule", name: schedule, due: kept.due! } }).catch(() => {});
    } catch (error) {
      known.due = now + AGAIN;
      failed(error, name);
    } finally {
      known.busy = false;
    }
  }
}

interface Look {
  readonly name: string;
  readonly schedule: string;
  readonly key: string;
  readonly known: Known;
  readonly next: (after: number) => number | undefined;
  readonly now: number;
}

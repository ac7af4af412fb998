/**
 * File descriptors for connections. What accepts connections must never find that none is free: the runtime's loop would
 * end for good.
 *
 * @module
 */

import { closeSync, openSync } from "node:fs";

/** How descriptors are opened and closed. */
export interface DescriptorOps {
  /** Throws when none is free. */
  open(): number;
  close(descriptor: number): void;
}

const SYSTEM: DescriptorOps = { open: () => openSync("/dev/null", "r"), close: closeSync };
/** Descriptors that are held. */
const SIZE = 8;

/**
 * How many descriptors the process can open now, at most `most`. It tries: with named permissions the limit cannot be
 * read. Takes about 5 us for each.
 */
export function countFree(most: number, ops: DescriptorOps = SYSTEM): number {
  const opened: number[] = [];
  try {
    while (opened.length < most) opened.push(ops.open());
  } catch {
    // The limit is reached.
  }
  for (const descriptor of opened) ops.close(descriptor);
  return opened.length;
}

/** How descriptors are shared out. */
export interface DescriptorPlan {
  /** TCP connections. */
  readonly connections: number;
  /** Connections that the system keeps until they are accepted. The runtime takes all of them at once. */
  readonly backlog: number;
}

/** The backlog where there are descriptors enough, as in node:net. */
const BACKLOG = 511;
/** Descriptors for files, the database and what else the process opens. */
const OTHERS = 24;

/**
 * Shares out `free` descriptors when `wanted` connections are to be taken. Room is left for two backlogs: the runtime
 * takes one while the descriptors of those that gave way to the last one are not yet closed.
 */
export function planDescriptors(free: number, wanted: number): DescriptorPlan {
  const backlog = Math.max(16, Math.min(BACKLOG, Math.floor(free / 16)));
  return { connections: Math.max(1, Math.min(wanted, free - 2 * backlog - OTHERS - SIZE)), backlog };
}

/** Descriptors beside the connections that `planDescriptors` sets aside at most. */
export const MOST_RESERVED: number = 2 * BACKLOG + OTHERS + SIZE;

/** Some descriptors that can be given up at once. */
export class DescriptorReserve {
  readonly #ops: DescriptorOps;
  readonly #size: number;
  readonly #held: number[] = [];

  constructor(size: number = SIZE, ops: DescriptorOps = SYSTEM) {
    this.#size = size;
    this.#ops = ops;
  }

  /** Descriptors that are held. */
  get held(): number {
    return this.#held.length;
  }

  /** Whether another descriptor is free beside the reserve. If not, one of the reserve is given up for what comes next. */
  hasRoom(): boolean {
    try {
      while (this.#held.length < this.#size) this.#held.push(this.#ops.open());
      this.#ops.close(this.#ops.open());
      return true;
    } catch {
      const spent = this.#held.pop();
      if (spent !== undefined) this.#ops.close(spent);
      return false;
    }
  }

  /** Gives all back. */
  close(): void {
    for (const descriptor of this.#held.splice(0)) this.#ops.close(descriptor);
  }
}

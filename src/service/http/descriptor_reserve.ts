/**
 * Descriptors that are kept in reserve. What accepts connections must never find that none is free: the runtime's loop
 * would end, and the limit of a process cannot be read with named permissions.
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
/** Enough for the connections that are accepted before those that are closed have given theirs back. */
const SIZE = 32;

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

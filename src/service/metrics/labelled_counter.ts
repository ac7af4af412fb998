/**
 * Counts by one label.
 *
 * @module
 */

import type { Sample } from "./series.ts";

/** Counts by label. Labels must come from a small set: what peers send is mapped to one before. */
export class LabelledCounter {
  readonly #counts = new Map<string, number>();

  /** Adds `by` (default 1) to the count of `label`. */
  add(label: string, by = 1): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + by);
  }

  /** One sample for each label, after the labels in `before`. */
  *samples(...before: readonly string[]): Iterable<Sample<number>> {
    for (const [label, count] of this.#counts) yield [[...before, label], count];
  }

  /** As an object, for JSON. */
  toJSON(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

/**
 * A row of the table of the server API.
 *
 * @module
 */

import type { Schema } from "../schemas/fields.ts";
import type { ApiRight } from "./types.ts";

/** A row of the table. */
export interface ApiRow<P, R> {
  /** The right that a key needs. Absent: those of the calls that the method runs. */
  readonly right?: ApiRight;
  /** What it is for, in a sentence or more of Markdown. */
  readonly text: string;
  readonly params: Schema<P>;
  readonly result: Schema<R>;
  /** Parameters as an example shows them. */
  readonly example: NoInfer<P>;
  /**
   * Another call may begin before this one is done, without changing the order in which they take effect.
   * @default false
   */
  readonly overlaps?: true;
}

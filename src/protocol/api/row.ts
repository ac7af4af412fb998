/**
 * A row of the table of the server API.
 *
 * @module
 */

import type { Schema } from "../schemas/fields.ts";
import type { ApiRight } from "./types.ts";

/** What methods are about, in the order in which they are shown. */
export const API_GROUPS = {
  "Messages": "Publish, edit and delete, without a connection.",
  "Channels": "Who is there, and what was said.",
  "Sessions": "Who is connected, and what sessions are subscribed to.",
  "Tokens": "Refuse tokens, and end the connections that came with them.",
  "Files and documents": "List and delete what is kept beside messages.",
  "Data of users": "Export and erase what belongs to somebody.",
  "Functions": "The functions of the application.",
  "Webhooks": "What endpoints are told, and what they could not be told.",
  "Service": "State of a node, and many calls in one.",
} as const;

/** A row of the table. */
export interface ApiRow<P, R> {
  readonly group: keyof typeof API_GROUPS;
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

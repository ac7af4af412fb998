/**
 * What the methods of the server API that are about functions take and give.
 *
 * @module
 */

/** A function as it stands on the node that is asked. */
export interface ApiFunction {
  name: string;
  /** The version in force; absent: none could be loaded. */
  version?: string;
  /** What is wrong with its file now. */
  problem?: string;
  /** How its commands are typed. */
  commands: string[];
  /** Whether its process is alive. */
  alive: boolean;
  /** Calls under way, and calls that wait. */
  active: number;
  waiting: number;
  /** Resident bytes of its process. */
  memory: number;
  /** Calls by what they came to, since the service was started: `ok`, `threw`, `timeout`, ... */
  calls: Record<string, number>;
}

/** Which lines. */
export interface ApiFunctionLogs {
  function: string;
  /** `last` of the answer before. @default all that are remembered */
  after?: number;
}

/** A line that a function printed, or a failure of it. */
export interface ApiFunctionLine {
  /** Milliseconds since the epoch. */
  at: number;
  level: "debug" | "info" | "warn" | "error";
  text: string;
}

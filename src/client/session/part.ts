/**
 * What a session is made of. Each part does one thing over the connection of the moment; the manager tells all of
 * them what becomes of it, and hands messages to them in order.
 *
 * @module
 */

import type { Message } from "../../protocol/core.ts";
import type { SkeinError } from "../errors.ts";
import type { Established } from "./connector.ts";
import type { Link } from "./link.ts";

/** A part of a session. It leaves out what does not concern it. */
export interface SessionPart {
  /** A connection carries the session, the first one or another. Nothing it brings has been handed on yet. */
  attach?(link: Link, established: Established): void;
  /** No connection carries the session. */
  detach?(): void;
  /** A lane broke while the connection lives: what was sent or expected on it may be lost. */
  laneLost?(lane: number, link: Link): void;
  /**
   * Takes a message; false: it belongs to another part, and the next one is asked. `isCurrent`: it came over the
   * connection in use, not over one that was replaced a moment ago. Throws ProtocolError when it cannot be read.
   */
  take?(message: Message, isCurrent: boolean): boolean;
  /** The application disconnects: whoever waits for the server gets `error`. Another `attach` may follow. */
  stop?(error: SkeinError): void;
  /** The client ends for good, after `stop`. */
  close?(error: SkeinError): void | Promise<void>;
}

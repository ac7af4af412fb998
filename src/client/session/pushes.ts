/**
 * What is left when every other part has passed a message over: the server says it of its own accord, and the
 * application may want it.
 *
 * @module
 */

import { CLIENT_TYPES, type ClientRow, type Message } from "../../protocol/core.ts";
import type { ServerType } from "../../protocol/mod.ts";
import { SkeinError } from "../errors.ts";
import type { SessionPart } from "./part.ts";
import { readPayload } from "./payloads.ts";

/** Types with `re` that are not the answer to a question of this connection: they come at any time. */
const RESPONSES: ReadonlySet<string> = new Set(
  Object.values<ClientRow>(CLIENT_TYPES).flatMap(({ response }) => response ?? []),
);

/** Hands the application what is not kept: presence, typing, bots, types that this version does not know. */
export class Pushes implements SessionPart {
  readonly #pushed: (message: Message) => void;
  readonly #failed: (error: SkeinError) => void;

  constructor(pushed: (message: Message) => void, failed: (error: SkeinError) => void) {
    this.#pushed = pushed;
    this.#failed = failed;
  }

  take(message: Message): boolean {
    const { type, re, payload } = message;
    if (type === "error") this.#failed(SkeinError.from(readPayload(type, payload), re));
    // An answer that nobody waits for any more; a notice of a kind that this version does not know.
    else if (type !== "server_notice" && (re === undefined || RESPONSES.has(type))) {
      // Types that are not known are checked by whoever knows them.
      readPayload(type as ServerType, payload);
      this.#pushed(message);
    }
    return true;
  }
}
